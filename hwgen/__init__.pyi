from hwgen.charset import Charset as Charset
from hwgen.data import StoreDataset as StoreDataset
from hwgen.errors import HwgenError as HwgenError
from hwgen.generators.base import load_generator as load_generator
from hwgen.generators.dataset import GeneratedDataset as GeneratedDataset
from hwgen.generators.gan.sampling import Sampler as Sampler
from hwgen.imaging.contact_sheets import save_grid as save_grid
from hwgen.imaging.framing import Framing as Framing
from hwgen.imaging.ink import Ink as Ink
from hwgen.lines.text_images import text_image as text_image
from hwgen.pixel_range import PixelRange as PixelRange
from hwgen.prepare import PrepareOptions as PrepareOptions
from hwgen.prepare import prepare_gnt as prepare_gnt
from hwgen.prepare import prepare_images as prepare_images
from hwgen.prepare import prepare_pot as prepare_pot
from hwgen.prepare import prepare_strokes as prepare_strokes
from hwgen.recogniser.augmentation import Augmentation as Augmentation
from hwgen.recogniser.inference import Recogniser as Recogniser
from hwgen.recogniser.loading import load_recogniser as load_recogniser
from hwgen.record import Record as Record
from hwgen.store import Store as Store
from hwgen.store import StoreWriter as StoreWriter

__version__: str

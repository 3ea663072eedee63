import pytest

from hwgen.errors import InputError
from hwgen.sources.splits import refuse_mixed, split_of


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("HWDB1.0trn_gnt/001-f.gnt", "training"),
        ("HWDB1.0tst_gnt.zip!001-f.gnt", "test"),
        ("OLHWDB1.1trn_pot.zip!1001.pot", "training"),
        ("Gnt1.0TrainPart1.zip!001-f.gnt", "training"),
        ("Gnt1.0Test/421-f.gnt", "test"),
        ("1.0train-gb1", "training"),
        ("1.0test-gb1", "test"),
        ("hwdb89trn-c.gnt", "training"),
        ("my_test_data/train/一", "training"),
        ("MyValidation/一", "test"),
        ("训练集/一", "training"),
        ("数据/测试/一", "test"),
        ("t10k-images-idx3-ubyte", "test"),
        ("data_batch_1.bin", "training"),
        ("set/dev/一", "test"),
        ("set/Eval/一", "test"),
        ("evaluation.zip!一", "test"),
        ("hold-out/一", "test"),
        ("heldout_v2/一", "test"),
        ("訓練/一", "training"),
        ("检验/評価データ/一", "test"),
        ("校验集/一", "test"),
        ("device/evaluator/developer", ""),
        ("latest/attest", ""),
        ("strains/intern", ""),
        ("contest/trainer", ""),
        ("001-f.gnt", ""),
    ],
)
def test_splits_are_known_by_words_in_names(name: str, split: str) -> None:
    assert split_of(name) == split


def test_only_both_together_are_refused() -> None:
    refuse_mixed(["a/train/一", "a/train/二", "a/README"], "a")
    refuse_mixed(["a/val/一", "a/test/二"], "a")
    with pytest.raises(
        InputError, match="contains a training and a test set: a/train/一 and a/val"
    ):
        refuse_mixed(["a/train/一", "a/val/一"], "a")

import torch

from hwgen.charset import Charset
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.step_time import seconds_per_step


def test_a_step_takes_some_time_and_leaves_random_numbers_as_they_are(
    toy: RecogniserRecipe,
) -> None:
    before = torch.random.get_rng_state()
    charset = Charset(("一", "丨", "十"))
    assert 0 < seconds_per_step(toy, charset, 1, torch.device("cpu"), "fp32") < 60
    assert seconds_per_step(toy, charset, 3, torch.device("cpu"), "fp32") > 0
    assert torch.equal(torch.random.get_rng_state(), before)

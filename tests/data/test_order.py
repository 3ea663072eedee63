import numpy as np
import pytest
import torch

from hwgen.data import Balanced, Shuffled, make_order
from hwgen.errors import InputError

# Few windows, a short last chunk; windows of one chunk; more windows than chunks; one record.
WINDOWS = [(95, 30, 4), (40, 8, 8), (10, 1, 4), (1, 1, 4)]


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (7, 16), (1, 2)])
def test_each_epoch_is_a_permutation(count: int, batch: int) -> None:
    order = Shuffled(count, batch, seed=3)
    steps = -(-5 * count // batch)
    stream = torch.cat([order.indices(step) for step in range(steps)])
    assert len(stream) == steps * batch
    epochs = stream[: 5 * count].reshape(5, count)
    assert torch.equal(epochs.sort().values, torch.arange(count).expand(5, -1))
    if count > 5:
        assert len({tuple(epoch.tolist()) for epoch in epochs}) == 5


@pytest.mark.parametrize(("count", "window", "chunk"), WINDOWS)
@pytest.mark.parametrize("batch", [1, 7, 200])
def test_each_epoch_in_windows_is_a_permutation_too(
    count: int, window: int, chunk: int, batch: int
) -> None:
    order = Shuffled(count, batch, seed=1, window=window, chunk=chunk)
    steps = -(-3 * count // batch)
    stream = torch.cat([order.indices(step) for step in range(steps)])
    epochs = stream[: 3 * count].reshape(3, count)
    assert torch.equal(epochs.sort().values, torch.arange(count).expand(3, -1))


@pytest.mark.parametrize(("count", "window", "chunk"), WINDOWS)
def test_a_window_holds_whole_chunks_drawn_at_random_and_is_shuffled(
    count: int, window: int, chunk: int
) -> None:
    order = Shuffled(count, 1, seed=1, window=window, chunk=chunk)
    step, dealt = 0, []
    for number in range(2 * order.windows):
        pieces = order.pieces(number)
        dealt.append(pieces)
        records = [n for piece in pieces for n in piece]
        assert records == sorted(records)
        assert len(records) <= window + chunk
        assert all(piece.start % chunk == 0 for piece in pieces)
        drawn = [int(order.indices(step + n)) for n in range(len(records))]
        assert sorted(drawn) == records
        if len(records) > 8:
            assert drawn != records
        step += len(records)
    if order.windows > 2:
        assert dealt[: order.windows] != dealt[order.windows :]


@pytest.mark.parametrize(("count", "window", "chunk"), WINDOWS)
def test_places_say_where_in_its_window_a_record_lies(count: int, window: int, chunk: int) -> None:
    order = Shuffled(count, 13, seed=1, window=window, chunk=chunk)
    for step in range(2 * count // 13 + 2):
        found = [
            [n for piece in order.pieces(number) for n in piece][place]
            for number, places in order.places(step)
            for place in places.tolist()
        ]
        assert found == order.indices(step).tolist()


@pytest.mark.parametrize("window", [None, 50, 1000])
def test_a_set_of_one_window_is_shuffled_as_a_whole(window: int | None) -> None:
    order = Shuffled(50, 50, seed=9, window=window, chunk=8)
    for epoch in range(3):
        whole = np.random.default_rng((9, epoch)).permutation(50)
        assert order.indices(epoch).tolist() == whole.tolist()


@pytest.mark.parametrize("window", [None, 4])
def test_a_batch_does_not_depend_on_those_before_it(window: int | None) -> None:
    def fresh() -> Shuffled:
        return Shuffled(10, 4, seed=0, window=window, chunk=2)

    walked = fresh()
    expected = [walked.indices(step) for step in range(20)]
    for step in (19, 2, 7, 0, 12):
        assert torch.equal(fresh().indices(step), expected[step])
        assert torch.equal(walked.indices(step), expected[step])
    crossing = walked.indices(2)  # records 8 ... 11: two of epoch 0, two of epoch 1
    assert torch.equal(
        torch.cat([expected[0], expected[1], crossing[:2]]).sort().values, torch.arange(10)
    )


def test_seeds_give_other_orders_and_nothing_gives_an_error() -> None:
    assert not torch.equal(Shuffled(50, 50, 0).indices(0), Shuffled(50, 50, 1).indices(0))
    with pytest.raises(InputError, match="empty"):
        Shuffled(0, 4, 0)


# Class 5 has one record, class 0 three, class 2 seven; 1, 3 and 4 have none.
LABELS = np.array([2, 0, 2, 5, 2, 2, 0, 2, 0, 2, 2])


@pytest.mark.parametrize("batch", [1, 3, 7, 200])
def test_balanced_draws_every_class_once_a_round(batch: int) -> None:
    order = Balanced(LABELS, batch, seed=4)
    steps = -(-3 * 63 // batch)
    stream = torch.cat([order.indices(step) for step in range(steps)])
    assert stream.dtype == torch.int64
    rounds = stream[: 3 * 63].reshape(63, 3).numpy()
    assert (np.sort(LABELS[rounds], axis=1) == [0, 2, 5]).all()
    assert len({tuple(LABELS[numbers]) for numbers in rounds}) == 6  # all orders of three


@pytest.mark.parametrize("class_id", [0, 2, 5])
def test_balanced_draws_each_record_of_a_class_once_before_any_twice(class_id: int) -> None:
    order = Balanced(LABELS, 9, seed=4)
    stream = torch.cat([order.indices(step) for step in range(21)]).numpy()
    (own,) = np.nonzero(class_id == LABELS)
    drawn = stream[LABELS[stream] == class_id][: 63 // len(own) * len(own)]
    epochs = drawn.reshape(-1, len(own))
    assert (np.sort(epochs, axis=1) == own).all()
    if len(own) > 1:
        assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_balanced_batch_is_a_function_of_seed_and_step() -> None:
    walked = Balanced(LABELS, 4, seed=0)
    expected = [walked.indices(step) for step in range(30)]
    for step in (29, 2, 17, 0, 12):
        assert torch.equal(Balanced(LABELS, 4, seed=0).indices(step), expected[step])
        assert torch.equal(walked.indices(step), expected[step])
    assert not all(
        torch.equal(Balanced(LABELS, 4, seed=1).indices(step), expected[step]) for step in range(9)
    )
    with pytest.raises(InputError, match="empty"):
        Balanced([], 4, 0)


def plain_balanced(labels: np.ndarray, batch: int, seed: int, step: int) -> list[int]:
    """The definition of Balanced, one position at a time; runs of earlier versions have it."""
    classes = np.unique(labels)
    found = []
    for position in range(step * batch, (step + 1) * batch):
        number, place = divmod(position, len(classes))
        kind = np.random.default_rng((seed, number, 1)).permutation(len(classes))[place]
        own = np.flatnonzero(labels == classes[kind])
        epoch, within = divmod(number, len(own))
        found.append(np.random.default_rng((seed, int(kind), epoch, 2)).permutation(own)[within])
    return found


@pytest.mark.parametrize("labels", [LABELS, np.arange(40) % 13, np.zeros(3, int)])
@pytest.mark.parametrize("batch", [1, 4, 64])
def test_balanced_is_as_it_is_defined(labels: np.ndarray, batch: int) -> None:
    order = Balanced(labels, batch, seed=7)
    for step in (0, 1, 2, 3, 50, 51, 0, 7):
        assert order.indices(step).tolist() == plain_balanced(labels, batch, 7, step)


def test_parts_contribute_equally_up_to_one_record() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    parts = [np.array([0, 1, 2, 3, 5]), np.array([4]), np.array([6, 7])]
    for balanced in (False, True):
        order = make_order(labels, parts, 8, seed=2, balanced=balanced)
        assert order.batch == 8
        for step in range(4):
            records = order.indices(step).tolist()
            assert set(records[:3]) <= {0, 1, 2, 3, 5}
            assert records[3:6] == [4, 4, 4]
            assert sorted(records[6:]) == [6, 7]
    # Of the first part every second record is of class 1, of which there is only one.
    first = torch.cat([order.indices(step)[:3] for step in range(4)]).tolist()
    assert first.count(5) == 6
    alone = make_order(labels[:5], None, 3, seed=2)
    assert torch.equal(alone.indices(5), Shuffled(5, 3, seed=2).indices(5))


def test_a_part_without_records_is_refused() -> None:
    with pytest.raises(InputError, match="is empty"):
        make_order([0, 1], [np.array([0]), np.array([], np.int64)], 4, seed=0)

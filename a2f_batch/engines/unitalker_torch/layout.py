"""Which lines go through the network together: buckets of like length within a memory budget, which halves when memory runs out.

A line is padded to a length that it has by itself (a step of a grid), never to its mates': so mates, order and batch size decide
nothing that the network sees of a line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVar

from a2f_batch.engines.unitalker_torch.architecture import EncoderSizes
from a2f_batch.errors import EngineError

GRID_SAMPLES = 8000  # half a second at 16 kHz: about 5 % of padding with lines of 5 s

_Result = TypeVar("_Result")


def grid_length(samples: int) -> int:
    """Return the padded length of a line of `samples`."""
    return ceil(samples / GRID_SAMPLES) * GRID_SAMPLES


def line_bytes(samples: int, sizes: EncoderSizes, heads_bytes: int = 4) -> int:
    """Return about how many bytes the network works with for one line of `samples`, float32.

    The first convolution's output, three times (before and after its GELU, and the next one's), or a transformer layer's: scores of
    all pairs of frames with their bias, and the wide part of the feed-forward; whichever is more.
    """
    frames = max(sizes.frames(samples), 1)
    convolutions = 3 * 4 * sizes.conv_dim[0] * (samples // sizes.conv_stride[0])
    layer = 4 * (4 * sizes.num_attention_heads * frames**2 + 3 * frames * sizes.intermediate_size + 8 * frames * sizes.hidden_size)
    return max(convolutions, layer) + heads_bytes * frames


def batches(lengths: Sequence[int], most_bytes: int, size_of: Callable[[int], int]) -> list[list[int]]:
    """Return groups of indices into `lengths`: each of one step of the grid, and of at most `most_bytes` (but at least one line).

    The longest come first, so that memory runs out at once or never. Lines of equal length keep their order.
    """
    buckets: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        buckets.setdefault(grid_length(length), []).append(index)
    found = []
    for length in sorted(buckets, reverse=True):
        most = max(1, most_bytes // max(size_of(length), 1))
        bucket = buckets[length]
        found += [bucket[first:first + most] for first in range(0, len(bucket), most)]
    return found


def run_batches(groups: Sequence[list[int]], work: Callable[[list[int]], Sequence[_Result]], ran_out: Callable[[Exception], bool],
                release: Callable[[], None]) -> dict[int, _Result]:
    """Return index -> result of `work` on each group; a group for which memory runs out is halved, and so are those after it.

    Args:
        ran_out: whether an exception says that memory ran out.
        release: gives back what the failed try held.

    Raises:
        EngineError: memory runs out for one line alone (code 'out-of-memory').
    """
    results: dict[int, _Result] = {}
    waiting, most = list(reversed(groups)), max(map(len, groups), default=1)
    while waiting:
        group = waiting.pop()
        if len(group) > most:
            waiting += [group[most:], group[:most]]
            continue
        try:
            done = work(group)
        except Exception as error:
            if not ran_out(error):
                raise
            if len(group) == 1:
                raise EngineError(f"Memory ran out on one line alone: {str(error).partition(chr(10))[0]}.",
                                  "Free memory on that device, run fewer workers, or choose device='cpu'.", code="out-of-memory") from error
            most = (len(group) + 1) // 2
            waiting.append(group)
        else:
            results |= dict(zip(group, done, strict=True))
            continue
        release()  # outside the handler: the exception holds the tensors of the failed try
    return results

"""Blocks one after another on this machine."""

from collections.abc import Callable, Sequence

from splatkit.blocks.engines.engine import Failure, StepCounter
from splatkit.blocks.engines.process import BlockKilledError, BlockProcess, BlockRefusedError, remove_work
from splatkit.blocks.plan_file import Block, Plan
from splatkit.messages import LOGGER
from splatkit.progress import Progress

_LOOK_EVERY_S = 0.5


class LocalEngine:
    """See the module.

    Args:
        retries: how often a block is tried again whose process was killed.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries

    def train(self, plan: Plan, blocks: Sequence[Block], progress: Progress) -> list[Failure]:
        """As `Engine` has it."""
        counter, finished, failures = StepCounter(plan, blocks), set[str](), list[Failure]()
        with progress(f"training {len(blocks)} blocks", counter.total) as advance:
            for block in blocks:
                try:
                    self._train(plan, block, lambda: advance(counter.more(finished)))
                except (BlockKilledError, BlockRefusedError) as error:
                    failures.append(Failure(block, str(error)))
                    continue
                finished.add(block.name)
                advance(counter.more(finished))
        return failures

    def _train(self, plan: Plan, block: Block, look: Callable[[], None]) -> None:
        for left in range(self._retries, -1, -1):
            try:
                run_block(plan, block, look)
                return
            except BlockKilledError as error:
                if left == 0:
                    raise
                LOGGER.warning("%s: %s; it is tried again", block.name, error)


def run_block(plan: Plan, block: Block, look: Callable[[], None]) -> None:
    """Train a block here; `look` is called every now and then.

    Raises:
        BlockKilledError, BlockRefusedError: it did not end well; says why.
    """
    remove_work(plan.block_file(block).parent, block)
    process = BlockProcess(plan, block)
    try:
        while not process.wait(_LOOK_EVERY_S):
            look()
    finally:
        process.stop()
        remove_work(plan.block_file(block).parent, block)

"""Training on several cores as several single-threaded processes that share their gradients once a step.

Threads inside each operation wait for one another hundreds of times a step, which costs dearly on a machine that
does other things too. On CUDA there is one process.
"""

import os
import signal

import torch
import torch.multiprocessing as multiprocessing

from settings import DEVICE

WORKERS = 1 if DEVICE.type == "cuda" else int(os.environ.get("IMPASTO_TRAIN_WORKERS", os.cpu_count() or 1))


class Team:
    """One worker's view of the team."""

    def __init__(self, rank, barrier, shared):
        self.rank, self.barrier, self.shared, self.size = rank, barrier, shared, WORKERS

    def average_gradients(self, parameters):
        """Replaces every gradient by the mean over the workers."""
        if self.size == 1:
            return
        start, mine = 0, self.shared[self.rank]
        for parameter in parameters:
            mine[start : start + parameter.numel()].copy_(parameter.grad.reshape(-1))
            start += parameter.numel()
        self.barrier.wait()
        mean = self.shared[:, :start].float().mean(0)
        self.barrier.wait()
        start = 0
        for parameter in parameters:
            parameter.grad.copy_(mean[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()

    def agree_on_share(self, share):
        """Worker 0's share of the time that is used, in every worker."""
        return self.agree(1_000_000 * share) / 1_000_000

    def agree(self, value):
        """Worker 0's whole number, in every worker; keeps clocks and ends in step."""
        if self.size == 1:
            return value
        if self.rank == 0:
            self.shared[0, -1:].view(torch.int32)[0] = int(value)
        self.barrier.wait()
        value = int(self.shared[0, -1:].view(torch.int32)[0])
        self.barrier.wait()
        return value


def _work(rank, function, barrier, shared, arguments):
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
        # Gradients have numbers so small that some processors take a hundred times as long for them.
        torch.set_flush_denormal(True)
    function(Team(rank, barrier, shared), *arguments)


def run_team(function, gradients, *arguments):
    """Runs function(team, *arguments) in every worker; `gradients` is how many numbers they share a step."""
    context = multiprocessing.get_context("spawn")
    shared = torch.zeros(WORKERS, gradients + 64, dtype=torch.float32).share_memory_()
    if WORKERS == 1:
        return _work(0, function, None, shared, arguments)
    barrier = context.Barrier(WORKERS)
    others = [context.Process(target=_work, args=(rank, function, barrier, shared, arguments), daemon=True) for rank in range(1, WORKERS)]
    for process in others:
        process.start()
    # Whoever pauses every worker and then continues this process alone means the whole team.
    signal.signal(signal.SIGCONT, lambda *_: [os.kill(process.pid, signal.SIGCONT) for process in others if process.is_alive()])
    _work(0, function, barrier, shared, arguments)
    for process in others:
        process.join()

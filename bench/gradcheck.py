"""Times PyTorch's gradcheck on 4x4 tensors in f64, for the operators named.

Prints "mode nanoseconds" for each operator and each mode (fast, slow): the median over rounds of the
processor time of one call, on one thread.
"""

import statistics
import sys
import time

import torch
from torch.autograd import gradcheck

OPERATORS = {
    "mul.Tensor": (torch.mul, 2),
    "div.Tensor": (torch.div, 2),
    "tanh": (torch.tanh, 1),
    "matmul": (torch.matmul, 2),
}
ROUNDS = 15
CALLS = 20


def median_ns(call):
    call()
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(CALLS):
            call()
        rounds.append((time.process_time_ns() - start) / CALLS)
    return statistics.median(rounds)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    for name in sys.argv[1:]:
        function, count = OPERATORS[name]
        inputs = [(torch.rand(4, 4, dtype=torch.float64) + 0.5).requires_grad_() for _ in range(count)]
        for mode in ("fast", "slow"):
            print(mode, median_ns(lambda: gradcheck(function, inputs, fast_mode=mode == "fast")), flush=True)


if __name__ == "__main__":
    main()

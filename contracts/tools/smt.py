"""Answers one SMT-LIB file with whichever of two solvers is first: yices, for the bits of packed storage, or cvc5 on
integers, which sees through the products of wide words that bit vectors drown in. `tools/symbolic.mjs` gives it to
halmos as its solver.
"""

import pathlib
import subprocess
import sys
import threading


def solve_with_cvc5(path):
    import cvc5

    terms = cvc5.TermManager()
    solver = cvc5.Solver(terms)
    solver.setOption("produce-models", "true")
    solver.setOption("solve-bv-as-int", "sum")
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, path)
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, symbols), end="")


def race(path):
    yices = pathlib.Path(sys.executable).parent / "yices-smt2"
    solvers = [
        [str(yices), "--smt2-model-format", "--bvconst-in-decimal", path],
        [sys.executable, __file__, "--cvc5", path],
    ]
    runs = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for line in solvers]
    done, answers = threading.Semaphore(0), []

    def wait(run):
        answers.append(run.communicate()[0])
        done.release()

    for run in runs:
        threading.Thread(target=wait, args=[run], daemon=True).start()
    for _ in runs:
        done.acquire()
        if answers[-1].startswith(("sat", "unsat")):
            break
    for run in runs:
        run.kill()
    print(next((a for a in answers if a.startswith(("sat", "unsat"))), "unknown"), end="")


if sys.argv[1] == "--cvc5":
    solve_with_cvc5(sys.argv[2])
else:
    race(sys.argv[1])

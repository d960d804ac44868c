#!/usr/bin/env python3
"""abi.py [--release]: whether programs that were compiled for the last release of this soname run with this
library. What they rely on is a text of a line each: the prototypes and types of functions, the sizes
of structs, the places of their fields, the values of constants, as $CC (cc) has them on this
machine. --release keeps it as tests/package/abi-SERIES-MACHINE.txt, with the release; from then on no line
of it may go or change until the soname does, and lines may come. Only what a function fills with the
size of the caller's struct may grow, at its end. tests/symbols.py looks at names.

libabigail's abidiff would tell the same, but of everything a pointer leads to: of the loop from
inside, which no program sees; and its --drop-private-types aborts (2.2 of Debian 12)."""
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

TREE = pathlib.Path(__file__).resolve().parents[1]
HEADERS = [it for it in sorted(TREE.glob("include/eddy/*.h"))] + [TREE / "include/eddy.h"]


def bare(path):
    """Without comments and macros of more than one line."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return re.sub(r"^#.*(?:\\\n.*)*$", "", text, flags=re.M)


def squeeze(text):
    """On one line, without the names of arguments."""
    return re.sub(r"(?<=[ *])\w+(?=(?:\[\])?[,)])", "", re.sub(r"\s+", " ", text)).strip()


def body_at(text, start):
    """What stands in the brackets that open before `start`."""
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[start:end - 1]


def fields(body):
    """The names of a struct's fields; what is in a struct without a type's name is its own."""
    body = re.sub(r"\{[^{}]*\}", "", body)
    for declaration in body.split(";"):
        pointer = re.search(r"\(\*(\w+)\)\(", declaration)
        atomic = re.sub(r"EDDY_ATOMIC\([^)]*\)", "int", declaration)
        names = [pointer[1]] if pointer else re.findall(r"(\w+)\s*(?:\[[^\]]*\])*\s*(?=,|$)", atomic.strip())
        yield from (name for name in names if ":" not in atomic and not re.fullmatch(r"(union|struct|\d+)", name))


def lines_of_headers():
    """Lines that are text, and expressions of which a program prints the values."""
    texts, values = [], []
    for header in HEADERS:
        text = bare(header)
        texts += [squeeze(it) for it in re.findall(r"EDDY_API ([^;]+;)", text)]
        texts += [squeeze(it) for it in re.findall(r"typedef [^;{}]*\([^;{}]*\);", text)]
        for found in re.finditer(r"\bstruct (eddy_\w+) \{", text):
            values.append(f"sizeof(struct {found[1]})")
            for name in fields(body_at(text, found.end())):
                values += [f"offsetof(struct {found[1]}, {name})", f"sizeof(((struct {found[1]} *)0)->{name})"]
        for found in re.finditer(r"\benum(?: eddy_\w+)? \{", text):
            values += re.findall(r"(?:^|,)\s*(EDDY_\w+)", body_at(text, found.end()))
    return texts, values


def may_grow():
    """The structs that are filled as far as the caller's reach."""
    return {name for it in HEADERS for name in re.findall(r"(eddy_\w+) \*\w+,\s+size_t size\);", bare(it))}


def is_kept(line, now):
    """Whether a line of the release holds: as it is, or of a struct that has grown."""
    found = re.fullmatch(r"sizeof\(struct (\w+)\) (\d+)", line)
    if line in now or not found or found[1] not in may_grow():
        return line in now
    return any(it.startswith(f"sizeof(struct {found[1]}) ") and int(it.split()[-1]) > int(found[2]) for it in now)


def description():
    texts, values = lines_of_headers()
    with tempfile.TemporaryDirectory() as work:
        rows = "".join(f'    printf("%s %lld\\n", "{it}", (long long)({it}));\n' for it in values)
        source = pathlib.Path(work, "abi.c")
        source.write_text(f"#include <eddy.h>\n#include <eddy/http.h>\n#include <stdio.h>\n\nint main(void) {{\n{rows}}}\n")
        subprocess.run([*os.environ.get("CC", "cc").split(), "-std=c11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64",
                        "-D_TIME_BITS=64", f"-I{TREE}/include", str(source), "-o", f"{work}/abi"], check=True)
        told = subprocess.run([f"{work}/abi"], check=True, capture_output=True, text=True).stdout
    return sorted(set(texts + told.splitlines()))


def main(argument=None):
    version = re.search(r'EDDY_VERSION +"(\d+)\.(\d+)', (TREE / "include/eddy.h").read_text())
    series = f"0.{version[2]}" if version[1] == "0" else version[1]
    kept = TREE / f"tests/package/abi-{series}-{platform.machine()}.txt"
    now = description()
    kinds = [sum(it.startswith(start) for it in now) for start in ("sizeof(struct", "offsetof", "EDDY_", "sizeof((")]
    if argument == "--release":
        kept.write_text("\n".join(now) + "\n")
    gone = [it for it in kept.read_text().splitlines() if not is_kept(it, now)] if kept.exists() else []
    for line in gone:
        print(f"abi: a program of {series} relies on: {line}")
    print("abi: {} structs with {} fields, {} constants, {} functions and their types; {} {}".format(
        *kinds[:3], len(now) - sum(kinds), series, "was released" if kept.exists() else "is not released yet"))
    return bool(gone)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

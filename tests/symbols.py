#!/usr/bin/env python3
"""symbols.py [--update | BUILD]: each public function has a version, `@since` (include/eddy.h), and is in
the node of that version in src/eddy.map, by which the shared library has its symbols; no other name is.
A BUILD's library exports just these. --update writes src/eddy.map anew from the headers."""
import pathlib
import re
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[1]
MAP = TREE / "src/eddy.map"
SINCE = re.compile(r"@since (\d+\.\d+)\b")
# A declaration, with the comment before it if there is one.
DECLARED = re.compile(r"(/\*(?:[^*]|\*(?!/))*\*/\n)?EDDY_API\s[^;(]*?\b(eddy_\w+)\(", re.S)
findings = []


def declared():
    """The version of each public function, and of each header."""
    versions = {}
    for header in sorted(TREE.glob("include/**/*.h")):
        text = header.read_text()
        name = header.relative_to(TREE)
        head = SINCE.findall(text[:text.index("*/")])
        if len(head) != 1:
            findings.append(f"{name}: its first comment has {len(head)} @since")
            continue
        end, own = 0, []
        for found in DECLARED.finditer(text):
            comment, function = found.groups()
            if comment or ";\n" != re.sub(r".*(;\n)", r"\1", text[end:found.start()], flags=re.S):
                own = SINCE.findall(comment or "") # else it stands under the comment of the one before
            end = found.end()
            if function in versions:
                findings.append(f"{name}: {function} is declared twice")
            versions[function] = own[0] if own else head[0]
    return versions


def number(version):
    return tuple(int(part) for part in version.split("."))


def map_of(versions):
    lines = ["/* eddy.map: the version that brought each function. Made by tests/symbols.py --update. */"]
    before = ""
    for version in sorted(set(versions.values()), key=number):
        lines += [f"EDDY_{version} {{", "global:"]
        lines += [f"    {name};" for name in sorted(versions) if versions[name] == version]
        if not before:
            lines += ["local:", "    *;"]
        lines += [f"}}{before};"]
        before = f" EDDY_{version}"
    return "\n".join(lines) + "\n"


def exported(build):
    told = subprocess.run(["nm", "-D", "--defined-only", f"{build}/src/libeddy.so"], check=True,
                          capture_output=True, text=True).stdout
    rows = [line.split() for line in told.splitlines()]
    return {name.replace("@@EDDY_", "@").partition("@")[::2] for _, kind, name in rows if kind != "A"}


def main(argument=None):
    versions = declared()
    if argument == "--update":
        MAP.write_text(map_of(versions))
    elif MAP.read_text() != map_of(versions):
        findings.append("src/eddy.map is not as the headers have it: tests/symbols.py --update, and look at the change")
    current = re.search(r'EDDY_VERSION +"(\d+\.\d+)', (TREE / "include/eddy.h").read_text())[1]
    for name, version in versions.items():
        if number(version) > number(current):
            findings.append(f"{name}: since {version}, but this is {current}")
    if argument not in (None, "--update"):
        for name, version in sorted(exported(argument) ^ set(versions.items())):
            findings.append(f"{name} of {version or 'no version'}: only in one of headers and library")
    print(*findings or [f"symbols: {len(versions)} functions, each with its version"], sep="\n")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

#!/usr/bin/env python3
"""amalgamate.py [FOLDER [DEPFILE]]: makes eddy.c and eddy.h there, the whole library in one file and
its header, for whoever compiles it along with a program of his own; by default in the current folder.

Each file of the tree is in there once, in an order in which what is used comes first, under a line
with its name. What is public is from include/, and what only one file knows stays as it was; names
that files share (eddy__…, eddy_os_…) become EDDY_PRIVATE, which is static. What the compiler is asked
instead of Meson stands in eddy_config.h and table.c beside this script.

It is here, in platform/, as that is the only place that may ask which system it is."""
import pathlib
import re
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
HERE = "platform/amalgamation/"

# From below to above: a folder, and the condition under which it is there.
FOLDERS = [
    ("platform", "!defined(EDDY_OWN_PLATFORM)"),
    ("src/core", "!defined(EDDY_PLATFORM_ONLY)"),
    ("src/work", "!defined(EDDY_NO_POOL) && !defined(EDDY_PLATFORM_ONLY)"),
    ("src/net", "!defined(EDDY_NO_NET)"),
    ("src/proc", "!defined(EDDY_NO_PROC)"),
    ("src/http", "!defined(EDDY_NO_HTTP)"),
]
# Files that only some systems have, and those that need threads: standard streams and watchdogs.
CONDITIONS = {
    "platform/epoll.c": "EDDY_HAS_EPOLL",
    "platform/exits.c": "!EDDY_HAS_KQUEUE || EDDY_HAS_EPOLL",
    "platform/exits_kqueue.c": "EDDY_HAS_KQUEUE && !EDDY_HAS_EPOLL",
    "platform/kqueue.c": "EDDY_HAS_KQUEUE",
    "platform/kqueue_filters.h": "EDDY_HAS_KQUEUE",
    "platform/poll.c": "EDDY_HAS_POLL",
    "platform/select.c": "EDDY_HAS_SELECT",
    "platform/io_uring.c": "EDDY_HAS_IO_URING",
    "platform/io_uring_polls.h": "EDDY_HAS_IO_URING",
    "platform/ring.c": "defined(HAVE_IO_URING)",
    "platform/ring.h": "defined(HAVE_IO_URING)",
    "platform/backtrace.c": "!defined(EDDY_NO_POOL)",
    "platform/thread.c": "!defined(EDDY_NO_POOL)",
    **{f"src/core/{name}.c": "!defined(EDDY_NO_QUEUES)" for name in (
        "closing", "defer", "hook", "inbox", "label", "part", "signal", "verify", "wake", "wakeup", "walk")},
    "src/core/unqueued.c": "defined(EDDY_NO_QUEUES)",
    "src/core/timer.c": "!defined(EDDY_SMALL)",
    "src/core/timer_small.c": "defined(EDDY_SMALL)",
    "src/core/wheel.c": "!defined(EDDY_SMALL)",
    "src/core/wheel.h": "!defined(EDDY_SMALL)",
    "src/core/timer_small.h": "defined(EDDY_SMALL)",
    "src/core/trace_packet.h": "!defined(EDDY_NO_TRACE)",
    "src/core/unobserved.c": "defined(EDDY_NO_TRACE)",
    **{f"src/core/{name}.c": "!defined(EDDY_NO_TRACE)" for name in (
        "observe", "probe", "stats", "trace", "trace_objects", "trace_perfetto", "trace_read", "trace_text", "trace_writer")},
    **{f"src/core/{name}.c": "!defined(EDDY_NO_TRACE) && !defined(EDDY_NO_POOL)" for name in (
        "guard", "stall_frames", "watchdog")},
    "src/net/stdio.c": "!defined(EDDY_NO_POOL)",
    "src/net/stdio_job.c": "!defined(EDDY_NO_POOL)",
}
SEAM = ["platform/os.h", "platform/backend.h", "platform/compiler.h"]  # what src/ sees of platform/

INCLUDE = re.compile(r'#include (?:<(?P<system>[^>]+)>|"(?P<own>[^"]+)")')
SHARED = re.compile(r"(?!static|typedef|extern|return)[A-Za-z_][\w *]*[ *](eddy__|eddy_os_)\w+\(")
CONSTANT = re.compile(r"(?:extern )?(const .*\beddy_\w+(?:\[\d*\])?(?: = \{|;)$)")
TABLE = "extern const struct eddy_backend *const eddy_backend_table[];"

HEADER_HEAD = """\
/* eddy.h: the public headers of eddy in one, made by platform/amalgamation/amalgamate.py. Goes with
 * eddy.c, at the beginning of which is what may be chosen. */
#ifndef EDDY_H
#define EDDY_H
"""

SOURCE_HEAD = """\
/* eddy.c: eddy in one file, made by platform/amalgamation/amalgamate.py: change the files it names.
 *
 *     cc -std=c11 -O2 -c eddy.c        threads: -pthread, where they are not in the C library
 *
 * What is not called is not linked with -ffunction-sections and -Wl,--gc-sections. To be chosen by -D:
 *
 *   EDDY_API=static      the whole library belongs to the one file that includes eddy.c: no name of it
 *                        is seen elsewhere, and the compiler leaves out what that file does not call
 *   EDDY_NO_HTTP         without the HTTP server
 *   EDDY_NO_PROC         without children and terminals
 *   EDDY_NO_NET          without streams, and so without these two
 *   EDDY_NO_POOL         without threads: pool, work and files, standard streams, watchdogs, HTTP
 *   EDDY_NO_QUEUES       timers and watchers of descriptors alone: without hooks, deferred calls, posts,
 *                        wakes, signals, labels and walks, and so without all of these and traces
 *   EDDY_NO_TRACE        without traces, statistics and watchdogs
 *   EDDY_NO_NAMES, EDDY_SMALL   without texts of what must hold, and what is there for speed alone
 *   EDDY_TINY            all these four, and the best backend alone
 *   EDDY_NO_EPOLL, EDDY_NO_KQUEUE, EDDY_NO_POLL, EDDY_NO_SELECT, EDDY_NO_IO_URING  without that backend
 *   EDDY_CHECKS          finds more misuse, for development
 *   EDDY_OWN_BACKENDS    eddy_backend_table (platform/backend.h) is defined elsewhere, and
 *                        may name those that are here
 *   EDDY_OWN_PLATFORM    and all functions of platform/os.h: a port, or a simulation
 *   EDDY_PLATFORM_ONLY   nothing but these
 *   EDDY_PRIVATE=        what its files share is seen by other files: for tests of them */

/* What a choice, or a system, leaves unused is no mistake. Not undone at the end of the file: some
 * compilers find it only there. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-macros"

/* Each system shows its own calls beside POSIX's only when asked, before the first header of it:
 * glibc's and musl's tell that by this name. */
#if defined(_FEATURES_H) && !defined(_GNU_SOURCE)
#error "include eddy.c before the headers of the system, or compile with -D_GNU_SOURCE"
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#if defined(__NetBSD__) && !defined(_NETBSD_SOURCE)
#define _NETBSD_SOURCE
#endif
#if defined(__FreeBSD__) && !defined(__BSD_VISIBLE)
#define __BSD_VISIBLE 1
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#ifndef _TIME_BITS
#define _TIME_BITS 64
#endif

/* With the value that -D gives, so that one may stand on the command line as well. */
#ifdef EDDY_TINY
#define EDDY_NO_POOL 1
#define EDDY_NO_TRACE 1
#define EDDY_SMALL 1
#endif
#ifdef EDDY_NO_QUEUES
#ifdef EDDY_CHECKS
#error "EDDY_CHECKS finds handles by a walk of the loop, which EDDY_NO_QUEUES leaves out"
#endif
#define EDDY_NO_POOL 1
#define EDDY_NO_TRACE 1
#endif
#if defined(EDDY_NO_QUEUES) || defined(EDDY_PLATFORM_ONLY)
#define EDDY_NO_NET 1
#endif
#ifdef EDDY_NO_NET
#define EDDY_NO_PROC 1
#endif
#if defined(EDDY_NO_NET) || defined(EDDY_NO_POOL)
#define EDDY_NO_HTTP 1
#endif
#if defined(EDDY_OWN_PLATFORM) && !defined(EDDY_OWN_BACKENDS)
#define EDDY_OWN_BACKENDS
#endif
#ifndef EDDY_PRIVATE
#define EDDY_PRIVATE static
#endif
#ifdef EDDY_OWN_BACKENDS
#define EDDY_BACKEND
#else
#define EDDY_BACKEND EDDY_PRIVATE
#endif
#ifdef EDDY_OWN_PLATFORM
#define EDDY_SEAM extern
#else
#define EDDY_SEAM EDDY_PRIVATE
#endif

#include "eddy.h"
"""


class Output:
    def __init__(self):
        self.lines = []
        self.done = set()    # files that are in
        self.system = set()  # headers of the system that have been seen whatever the conditions

    def write(self, text):
        self.lines.append(text)

    def guarded(self, condition, body):
        """What `body` writes, where the condition holds: nothing of it can be relied upon later."""
        if condition is None:
            body()
            return
        before = set(self.system)
        self.write(f"\n#if {condition}")
        body()
        self.write(f"#endif /* {condition} */")
        self.system = before

    def add(self, path):
        """The file at `path`, with those that it includes before it or in their place."""
        if path in self.done:
            return
        self.done.add(path)
        lines = without_guard((TREE / path).read_text())
        if path.startswith("include/"):
            for name in includes_of(lines, "system", "eddy/"):
                self.add("include/" + name)
        else:
            for name in includes_of(lines, "own", ""):
                self.add(resolve(path, name))
        self.guarded(CONDITIONS.get(path), lambda: self.add_lines(path, lines))

    def add_lines(self, path, lines):
        self.write(f"\n/* {' ' + path + ' ':=^93} */\n")
        depth = 0
        for line, after in zip(lines, lines[1:] + [""]):
            depth += bool(re.match(r"# *if", line)) - bool(re.match(r"# *endif", line))
            found = INCLUDE.match(line)
            if found and (found["own"] or found["system"].startswith("eddy")):
                continue
            if found and depth == 0:
                if found["system"] in self.system:
                    continue
                self.system.add(found["system"])
            self.write(private(path, line, after))


def includes_of(lines, kind, prefix):
    found = (INCLUDE.match(line) for line in lines)
    return [it[kind] for it in found if it and it[kind] and it[kind].startswith(prefix)]


def resolve(path, name):
    if name == "eddy_config.h":
        return HERE + name
    beside = (TREE / path).parent / name
    return str((beside if beside.exists() else TREE / "platform" / name).resolve().relative_to(TREE))


def without_guard(text):
    """The lines of a header but for its guard: the whole has one."""
    return re.sub(r"\n#ifndef (EDDY_\w*H)\n#define \1\n(.*)\n#endif\n$", r"\n\2\n", text, flags=re.S).splitlines()


def private(path, line, after):
    """Names that files of the library share are declared in their headers, and known there only."""
    if path.startswith("include/"):
        return line
    if line == TABLE:
        return f"#ifdef EDDY_OWN_BACKENDS\n{line}\n#endif"
    if re.match(r"extern const struct eddy_backend ", line):
        return "" # each is defined before the table, or elsewhere
    whole = f"{line} {after}" if re.fullmatch(r"[\w *]+", line) else line # the type may have its own line
    if path.endswith(".h") and SHARED.match(whole):
        return ("EDDY_SEAM " if path == "platform/os.h" else "EDDY_PRIVATE ") + line
    return CONSTANT.sub(r"EDDY_BACKEND \1" if "eddy_backend " in line else r"EDDY_PRIVATE \1", line)


def header():
    out = Output()
    out.write(HEADER_HEAD)
    out.add("include/eddy.h")
    out.guarded("!defined(EDDY_NO_HTTP)", lambda: out.add("include/eddy/http.h"))
    out.write("#endif")
    return out


def source():
    out = Output()
    out.write(SOURCE_HEAD)
    for path in SEAM:
        out.add(path)
    for folder, condition in FOLDERS:
        files = sorted(str(it.relative_to(TREE)) for it in (TREE / folder).glob("*.c"))

        out.guarded(condition, lambda files=files: [out.add(path) for path in files])
        if folder == "platform":
            out.guarded("!defined(EDDY_OWN_BACKENDS)", lambda: out.add(HERE + "table.c"))
    return out


def main(folder=".", depfile=None):
    made = {"eddy.h": header(), "eddy.c": source()}
    for name, out in made.items():
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(out.lines)) + "\n"
        pathlib.Path(folder, name).write_text(text)
    if depfile: # for Ninja: the files that were read, and the folders, which change when one comes
        read = made["eddy.h"].done | made["eddy.c"].done | {folder for folder, _ in FOLDERS}
        names = " ".join(sorted(str(TREE / it).replace(" ", "\\ ") for it in read))
        pathlib.Path(depfile).write_text(f"eddy.c: {names}\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""sources.py OUTPUT ROOT: the lines of source that `eddy show` names, as C (show_source.h). A line is found
by what it says, so that it stays right when lines move; one that is gone ends the build."""
import sys

LINES = {
    "SLEEP": ("src/cmd/show/show_scenes.c", "while (nanosleep(&left"),
    "COMPUTE": ("src/cmd/show/show_scenes.c", "    compute(COMPUTE_MS * EDDY_NS_PER_MS);"),
    "PIECES": ("src/cmd/show/show_scenes.c", "        (void)eddy_defer_start(defer, on_piece);"),
    "POOL": ("src/cmd/show/show_scenes.c", "eddy_work_submit(scenes->loop"),
    "QUERY": ("src/cmd/show/show_scene_children.c", "eddy_child_spawn(&query->child"),
    "READ": ("src/cmd/show/show_scene_files.c", "if (pread(files->fd"),
    "FILE": ("src/cmd/show/show_scene_files.c", "error = eddy_file_read("),
    "CHILD": ("src/cmd/show/show_scene_children.c", "eddy_child_spawn(&children->child"),
    "IDLE": ("src/core/loop.c", "(loop)->wait("),
    "SLOW": ("src/cmd/show/show_answers.c", "eddy_http_respond_lent(request, 200"),
    "FLOOD": ("src/net/stream_read.c", "bytes_per_turn"),
    "DESCRIPTORS": ("src/net/listener.c", "case EMFILE"),
    "WAIT": ("src/core/loop.c", "(loop)->wait("),
    "ACCEPT": ("src/net/listener.c", "eddy_os_accept(eddy_io_fd(io)"),
    "ADD": ("src/core/io.c", "(loop)->add("),
    "RECV": ("src/net/stream_read.c", "eddy_os_receive("),
    "SEND": ("src/net/channel.c", "eddy_os_write_vectors("),
    "WAKEUP": ("src/core/wakeup.c", "eddy_os_write("),
}

output, root = sys.argv[1:3]
with open(output, "w") as file:
    file.write('/* Made by sources.py. */\n#include "show_source.h"\n\nconst char *const show_source_lines[SOURCES] = {\n')
    for name, (path, text) in LINES.items():
        with open(f"{root}/{path}") as source:
            numbers = [number for number, line in enumerate(source, 1) if text in line]
        if not numbers:
            sys.exit(f'sources.py: {path} has no line with "{text}"')
        file.write(f'    [SOURCE_{name}] = "{path}:{numbers[0]}",\n')
    file.write("};\n")

/* watchers.c: descriptors, watched by one or two watchers, and what becomes of them. */
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DESCRIPTORS = 8, BYTES_MAX = 1500 };

enum kind { NONE, PIPE_READER, PIPE_WRITER, PAIR, KINDS };

struct watched {
    struct thing thing;
    enum kind kind;
    int fd, other;     /* other: -1 once it is closed */
    unsigned incoming; /* bytes that were sent here and not read yet, at most */
    bool is_finished;  /* the other end has shut down: again would be a new edge on some */
    bool has_ended;    /* a read or write has said so: nothing more is asked */
    eddy_io io[2];
    unsigned asked[2];
};

/* A number of descriptor is used again and again; each use is a thing of its own. */
static struct watched all[DESCRIPTORS];
static struct thing told[200];
static unsigned told_count;

static unsigned askable(const struct watched *it) {
    if (it->kind == PIPE_READER) return EDDY_READ;
    return it->kind == PIPE_WRITER ? EDDY_WRITE : EDDY_READ | EDDY_WRITE;
}

static void read_some(struct watched *it) {
    char bytes[64];
    ssize_t size = world_read(it->fd, bytes, 1 + random_of(&it->thing.random, sizeof bytes));
    thing_note(&it->thing, "=%zd", size);
    if (size > 0) it->incoming -= (unsigned)size;
    if (size == 0 || (size < 0 && size != -EAGAIN)) it->has_ended = true;
}

static void write_some(struct watched *it) {
    if (it->other < 0 || it->kind == PAIR) return; /* how much fits is the system's own affair */
    ssize_t size = world_write(it->fd, "x", 1);
    thing_note(&it->thing, "=%zd", size);
}

static void on_ready(struct watched *it, int which, unsigned events) {
    eddy_io *io = &it->io[which];
    bool reads = (events & EDDY_READ) != 0, writes = (events & EDDY_WRITE) != 0;
    /* To who has not asked for it, which mechanism tells a hang-up differs by nature. */
    bool ends = (events & it->asked[which] & EDDY_HANGUP) != 0;
    thing_note(&it->thing, " %d%s%s%s", which, reads ? "r" : "", writes ? "w" : "",
               ends ? "h" : "");
    if (reads) read_some(it);
    if (writes) write_some(it);
    if (events & (EDDY_HANGUP | EDDY_ERROR)) it->asked[which] &= ~(unsigned)EDDY_HANGUP; /* once */
    unsigned choice = random_of(&it->thing.random, 6);
    if (it->has_ended || choice == 0) {
        eddy_io_stop(io);
        thing_note(&it->thing, "s");
    } else if (choice == 1) {
        unsigned wanted = askable(it) & (EDDY_READ | random_of(&it->thing.random, 4));
        thing_note(&it->thing, "c%u:%d", wanted, eddy_io_change(io, wanted));
        it->asked[which] = wanted;
    }
}

static void on_first(eddy_io *io, unsigned events) {
    on_ready(eddy_container_of(io, struct watched, io[0]), 0, events);
}

static void on_second(eddy_io *io, unsigned events) {
    on_ready(eddy_container_of(io, struct watched, io[1]), 1, events);
}

/* --- Between turns --- */

static void open_descriptor(struct script *script, struct watched *it) {
    int ends[2];
    it->kind = (enum kind)(1 + random_of(&script->random, KINDS - 1));
    if (it->kind == PAIR)
        world_pair(ends);
    else
        world_pipe(ends);
    bool is_first = it->kind != PIPE_WRITER;
    it->fd = is_first ? ends[0] : ends[1];
    it->other = is_first ? ends[1] : ends[0];
    it->incoming = 0;
    it->has_ended = it->is_finished = false;
    static const char *const names[] = {"", "pipe reader", "pipe writer", "pair"};
    thing_begin(&it->thing, names[it->kind], script->random);
    eddy_io_init(&it->io[0], script->loop);
    eddy_io_init(&it->io[1], script->loop);
}

static void close_descriptor(struct watched *it) {
    eddy_io_stop(&it->io[0]);
    eddy_io_stop(&it->io[1]);
    world_close(it->fd);
    if (it->other >= 0) world_close(it->other);
    it->kind = NONE;
    if (told_count < sizeof told / sizeof told[0]) told[told_count++] = it->thing;
}

static void start(struct script *script, struct watched *it) {
    unsigned which = random_of(&script->random, 2);
    unsigned events = askable(it) & random_of(&script->random, 4);
    unsigned way = random_of(&script->random, 8);
    /* An edge of reading alone: whether one tells of the other direction too differs by nature, and
     * when writing has a new edge, though there was room all along, is the system's own affair. */
    bool is_alone = !eddy_is_active(&it->io[1 - which].handle);
    if (way == 0 && is_alone && events == EDDY_READ)
        events |= script->capabilities & EDDY_CAN_EDGE ? EDDY_EDGE : 0;
    if (way == 1) events |= script->capabilities & EDDY_CAN_ONESHOT ? EDDY_ONESHOT : 0;
    /* Of a pipe's writer kqueue has no filter for it. */
    if (way >= 6 && it->kind != PIPE_WRITER)
        events |= script->capabilities & EDDY_CAN_HANGUP ? EDDY_HANGUP : 0;
    int err =
        eddy_is_active(&it->io[which].handle)
            ? eddy_io_change(&it->io[which], events)
            : eddy_io_start(&it->io[which], which == 0 ? on_first : on_second, it->fd, events);
    if (err == 0) it->asked[which] = events;
    thing_note(&it->thing, " %u+%u:%d", which, events, err);
}

/* The other end sends, takes all that is there, ends, or is gone. */
static void stir(struct script *script, struct watched *it) {
    char bytes[BYTES_MAX] = {0};
    if (it->other < 0) return;
    unsigned size = 1 + random_of(&script->random, 100);
    unsigned what = random_of(&script->random, 6);
    switch (what) {
    case 0:
    case 1:
        if (it->kind == PIPE_WRITER || it->incoming + size > BYTES_MAX) return;
        if (world_write(it->other, bytes, size) == (ssize_t)size) it->incoming += size;
        break;
    case 2: /* full, as far as the system goes */
        if (it->kind == PIPE_READER) return;
        while (world_write(it->fd, bytes, sizeof bytes) > 0) continue;
        while (world_write(it->fd, bytes, 1) > 0) continue;
        break;
    case 3:
        if (it->kind == PIPE_READER) return;
        while (world_read(it->other, bytes, sizeof bytes) > 0) continue;
        break;
    case 4:
        if (it->kind == PAIR && !it->is_finished) world_finish(it->other);
        it->is_finished = true;
        break;
    default:
        if (random_of(&script->random, 3) > 0) return;
        world_close(it->other);
        it->other = -1;
    }
    thing_note(&it->thing, " *%u", what);
}

static void try_what_cannot_be_watched(struct script *script) {
    eddy_io io;
    eddy_io_init(&io, script->loop);
    int fd = world_file();
    int err = eddy_io_start(&io, on_first, fd, EDDY_READ);
    if (err != -EPERM) script_fail("a regular file", err);
    world_close(fd);
    err = eddy_io_start(&io, on_first, fd, EDDY_READ);
    if (err != -EBADF) script_fail("a closed descriptor", err);
}

void watchers_begin(void) {
    memset(all, 0, sizeof all);
    told_count = 0;
}

void watchers_act(struct script *script) {
    struct watched *it = &all[random_of(&script->random, DESCRIPTORS)];
    unsigned choice = random_of(&script->random, 16);
    if (it->kind == NONE)
        open_descriptor(script, it);
    else if (choice < 6)
        start(script, it);
    else if (choice < 13)
        stir(script, it);
    else if (choice == 13)
        eddy_io_stop(&it->io[random_of(&script->random, 2)]);
    else if (choice == 14)
        close_descriptor(it);
    else
        try_what_cannot_be_watched(script);
}

void watchers_end(void) {
    for (int i = 0; i < DESCRIPTORS; i++)
        if (all[i].kind != NONE) close_descriptor(&all[i]);
}

void watchers_tell(void) {
    for (unsigned i = 0; i < told_count; i++) printf("%s %u:%s\n", told[i].kind, i, told[i].trace);
}

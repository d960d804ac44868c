/* op_file.c: file requests. Each actor has a file of its own and does one thing after another with
 * it, so what must come of a request is known: the tree of the simulation is looked at directly. */
#include "operations.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ROOM = 4096, VECTORS = 4, PATH_BYTES = 40 };

struct request {
    eddy_file file;
    struct op_actor *actor;
    bool is_cancelled, is_running;
    bool is_parents; /* handed over before the fork: what became of it there is not known */
    uint64_t serial; /* of what is to be closed */
    int64_t offset;
    size_t size;
    char path[PATH_BYTES], to[PATH_BYTES];
    eddy_stat stat;
    struct iovec vectors[VECTORS];
    int count;
    int64_t size_before; /* of the file; -1: there is none */
    uint8_t data[ROOM];
};

struct op_actor {
    struct desk *desk;
    unsigned number;
    bool is_renamed;         /* the file has its other name */
    bool is_nameless;        /* `fd` is of a file that was unlinked since */
    int fd, directory_fd;    /* -1: not open */
    struct request *request; /* under way, or NULL */
};

static void path_of(const struct op_actor *actor, bool renamed, char path[PATH_BYTES]) {
    snprintf(path, PATH_BYTES, "desk/%s%u", renamed ? "other" : "one", actor->number);
}

/* The bytes of its file, as far as they are known: a file without a name cannot be looked at. */
static const uint8_t *bytes_of(const struct op_actor *actor, int64_t *size) {
    char path[PATH_BYTES];
    size_t length = 0;
    *size = -1;
    if (actor->fd >= 0 && actor->is_nameless) return NULL;
    path_of(actor, actor->is_renamed, path);
    const void *bytes = sim_file_bytes(path, &length);
    *size = bytes != NULL ? (int64_t)length : -1;
    return bytes;
}

/* --- The outcome --- */

static struct op_actor *finish(eddy_file *file, int64_t *result) {
    struct request *request = eddy_container_of(file, struct request, file);
    ledger_paid(request);
    struct op_actor *actor = request->actor;
    op_enter(actor->desk, PHASE_INBOX);
    *result = file->result;
    sim_check((*result == -ECANCELED) == request->is_cancelled,
              "a request that was %scancelled: %d", request->is_cancelled ? "" : "not ",
              (int)*result);
    sim_check(*result != -EINTR, "a request ends with -EINTR");
    sim_check(!(request->is_running && request->is_cancelled), "a running request was cancelled");
    actor->request = NULL;
    return actor;
}

static void done(struct op_actor *actor, eddy_file *file) {
    struct desk *desk = actor->desk;
    ledger_free(eddy_container_of(file, struct request, file));
    op_leave(desk);
}

/* What nothing but the weather and a cancel excuse. */
static void must(const struct request *request, bool holds, const char *what) {
    sim_check(holds || request->is_cancelled || !ledger_is_fair(), "%s gives %lld", what,
              (long long)request->file.result);
}

static struct request *request_of(eddy_file *file) {
    return eddy_container_of(file, struct request, file);
}

static void on_opened(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result >= 0, "to open a file");
    if (result >= 0) {
        actor->fd = (int)result;
        actor->is_nameless = false;
    }
    done(actor, file);
}

static void on_directory_opened(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result >= 0, "to open a directory");
    if (result >= 0) actor->directory_fd = (int)result;
    done(actor, file);
}

static void on_closed(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result == 0, "to close a file");
    if (result == -ECANCELED) actor->fd = request_of(file)->count; /* it is open still, or -1 */
    done(actor, file);
}

static void compare_read(const struct request *request, int64_t result) {
    int64_t size;
    const uint8_t *bytes = bytes_of(request->actor, &size);
    if (result <= 0 || bytes == NULL) return;
    sim_check(request->offset + result <= size, "a read goes beyond the end");
    sim_check(memcmp(bytes + request->offset, request->data, (size_t)result) == 0,
              "a read gives what is not in the file");
}

/* Somebody tried to cancel it when a part was done. */
static bool is_cut(const struct request *request) {
    return request->is_running && request->file.result > 0;
}

static void on_read(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    struct request *request = request_of(file);
    int64_t most = (int64_t)request->size, left = request->size_before - request->offset;
    int64_t expected = actor->is_nameless ? result : left < 0 ? 0 : left < most ? left : most;
    sim_check(result <= expected, "a read of %lld bytes gives %lld", (long long)expected,
              (long long)result);
    sim_check(result != 0 || expected == 0, "a read tells an end that is not there");
    must(request, result == expected || is_cut(request), "a read");
    compare_read(request, result);
    done(actor, file);
}

static void on_written(eddy_file *file) {
    int64_t result, size;
    struct op_actor *actor = finish(file, &result);
    struct request *request = request_of(file);
    sim_check(result <= (int64_t)request->size, "a write of %zu bytes gives %lld", request->size,
              (long long)result);
    sim_check(result != 0 || request->size == 0, "a write of %zu bytes gives 0", request->size);
    must(request, result == (int64_t)request->size || is_cut(request), "a write");
    const uint8_t *bytes = bytes_of(actor, &size);
    if (result > 0 && bytes != NULL)
        sim_check(request->offset + result <= size &&
                      memcmp(bytes + request->offset, request->data, (size_t)result) == 0,
                  "what was written is not in the file");
    if (request->is_cancelled && !request->is_parents && bytes != NULL)
        sim_check(size == request->size_before, "a cancelled write has written");
    done(actor, file);
}

static void on_stat(eddy_file *file) {
    int64_t result, size;
    struct op_actor *actor = finish(file, &result);
    struct request *request = request_of(file);
    must(request, result == 0, "a stat");
    const uint8_t *bytes = bytes_of(actor, &size);
    if (result == 0 && bytes != NULL)
        sim_check(S_ISREG(request->stat.mode) && request->stat.size == size,
                  "a file of %lld bytes has %lld", (long long)size, (long long)request->stat.size);
    done(actor, file);
}

static void on_plain(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result == 0, "a request");
    done(actor, file);
}

static void on_unlinked(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result == 0, "an unlink");
    if (result == 0) actor->is_nameless = true;
    done(actor, file);
}

static void on_truncated(eddy_file *file) {
    int64_t result, size;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result == 0, "a truncation");
    if (result == 0 && bytes_of(actor, &size) != NULL)
        sim_check(size == (int64_t)request_of(file)->size, "a file is %lld bytes long",
                  (long long)size);
    done(actor, file);
}

static void on_renamed(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result == 0, "a rename");
    if (result == 0) actor->is_renamed = !actor->is_renamed;
    done(actor, file);
}

static void on_made(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    must(request_of(file), result == 0 || result == -EEXIST || result == -ENOENT, "a directory");
    done(actor, file);
}

static void on_scanned(eddy_file *file) {
    int64_t result;
    struct op_actor *actor = finish(file, &result);
    struct request *request = request_of(file);
    must(request, result >= 0, "a scan");
    size_t position = 0;
    eddy_entry entry;
    while (result > 0 && eddy_scan_next(request->data, (size_t)result, &position, &entry))
        sim_check(entry.name[0] != 0 && strcmp(entry.name, ".") != 0 &&
                      strcmp(entry.name, "..") != 0 && strlen(entry.name) < PATH_BYTES,
                  "a directory has an entry \"%s\"", entry.name);
    done(actor, file);
}

/* --- Asking --- */

static int64_t some_offset(const struct request *request) {
    return request->size_before > 0 ? (int64_t)pick((unsigned)request->size_before + 50) : 0;
}

/* Cuts the data into pieces, empty ones too. */
static void cut(struct request *request) {
    request->count = 1 + (int)pick(VECTORS);
    size_t at = 0;
    for (int i = 0; i < request->count; i++) {
        size_t left = request->size - at;
        size_t size = i == request->count - 1 ? left : pick((unsigned)left + 1);
        request->vectors[i] = (struct iovec){request->data + at, size};
        at += size;
    }
}

static int transfer(eddy_loop *loop, struct request *request, bool is_write) {
    eddy_file *file = &request->file;
    int fd = request->actor->fd;
    request->offset = some_offset(request);
    request->size = 1 + pick(pick(2) == 0 ? ROOM : 30);
    for (size_t i = 0; i < request->size && is_write; i++)
        request->data[i] = (uint8_t)(i * 7 + request->size);
    cut(request);
    if (pick(2) == 0)
        return is_write ? eddy_file_writev(loop, file, fd, request->vectors, request->count,
                                           request->offset, on_written)
                        : eddy_file_readv(loop, file, fd, request->vectors, request->count,
                                          request->offset, on_read);
    return is_write ? eddy_file_write(loop, file, fd, request->data, request->size, request->offset,
                                      on_written)
                    : eddy_file_read(loop, file, fd, request->data, request->size, request->offset,
                                     on_read);
}

/* Requests by path. */
static int ask_by_name(eddy_loop *loop, struct request *request) {
    struct op_actor *actor = request->actor;
    eddy_file *file = &request->file;
    size_t size;
    bool exists;
    path_of(actor, actor->is_renamed, request->path);
    path_of(actor, !actor->is_renamed, request->to);
    exists = sim_file_bytes(request->path, &size) != NULL;
    unsigned beneath = pick(2) * EDDY_BENEATH;
    switch (exists ? pick(6) : 4 + pick(2)) {
    case 0:
        return eddy_file_stat(loop, file, EDDY_CWD, request->path, &request->stat, on_stat);
    case 1:
        return eddy_file_lstat(loop, file, EDDY_CWD, request->path, &request->stat, on_stat);
    case 2:
        return eddy_file_rename(loop, file, EDDY_CWD, request->path, EDDY_CWD, request->to,
                                on_renamed);
    case 3:
        return eddy_file_unlink(loop, file, EDDY_CWD, request->path, on_unlinked);
    case 4:
        if (actor->fd >= 0) return -EAGAIN;
        return eddy_file_open(loop, file, EDDY_CWD, request->path, O_RDWR | O_CREAT, 0644, beneath,
                              on_opened);
    default:
        snprintf(request->path, PATH_BYTES, "desk/directory%u", actor->number);
        if (pick(2) == 0)
            return eddy_file_mkdir(loop, file, EDDY_CWD, request->path, 0755, on_made);
        return eddy_file_rmdir(loop, file, EDDY_CWD, request->path, on_made);
    }
}

static int ask_of_directory(eddy_loop *loop, struct request *request) {
    struct op_actor *actor = request->actor;
    if (actor->directory_fd < 0)
        return eddy_file_open(loop, &request->file, EDDY_CWD, "desk",
                              O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, 0, on_directory_opened);
    return eddy_file_scan(loop, &request->file, actor->directory_fd, request->data, ROOM,
                          on_scanned);
}

/* Requests by descriptor. */
static int ask_of_file(eddy_loop *loop, struct request *request) {
    struct op_actor *actor = request->actor;
    eddy_file *file = &request->file;
    switch (pick(9)) {
    case 0:
        return eddy_file_fstat(loop, file, actor->fd, &request->stat, on_stat);
    case 1:
        return eddy_file_fsync(loop, file, actor->fd, on_plain);
    case 2:
        return eddy_file_fdatasync(loop, file, actor->fd, on_plain);
    case 3:
        request->size = pick(6000);
        return eddy_file_ftruncate(loop, file, actor->fd, (int64_t)request->size, on_truncated);
    case 4: {
        request->count = actor->fd;
        request->serial = sim_serial(actor->fd);
        int err = eddy_file_close(loop, file, actor->fd, on_closed);
        if (err == 0) actor->fd = -1;
        return err;
    }
    case 5:
    case 6:
        return transfer(loop, request, false);
    default:
        return transfer(loop, request, true);
    }
}

static void ask_wrongly(struct desk *desk, eddy_file *file) {
    eddy_loop *loop = desk->party.loop;
    struct party *party = &desk->party;
    int err = CALL(party, eddy_file_open(loop, file, EDDY_CWD, NULL, 0, 0, 0, on_opened));
    sim_check(err == -EINVAL, "to open no path gives %d", err);
    err = CALL(party, eddy_file_read(loop, file, 0, file, 1, -2, on_read));
    sim_check(err == -EINVAL, "to read before the begin gives %d", err);
    err = CALL(party, eddy_file_ftruncate(loop, file, 0, -1, on_plain));
    sim_check(err == -EINVAL, "a file of -1 bytes gives %d", err);
    err = CALL(party, eddy_file_scan(loop, file, 0, file, 1, on_scanned));
    sim_check(err == -EINVAL, "a scan into a byte gives %d", err);
}

static void ask(struct op_actor *actor) {
    struct desk *desk = actor->desk;
    struct request *request = ledger_new("file request", sizeof *request);
    request->actor = actor;
    (void)bytes_of(actor, &request->size_before);
    if (pick(20) == 0) ask_wrongly(desk, &request->file);
    eddy_loop *loop = desk->party.loop;
    unsigned how = pick(8);
    int err;
    if (how == 0)
        err = CALL(&desk->party, ask_of_directory(loop, request));
    else if (how < 4 || actor->fd < 0)
        err = CALL(&desk->party, ask_by_name(loop, request));
    else
        err = CALL(&desk->party, ask_of_file(loop, request));
    if (err < 0) {
        sim_check(err == -EAGAIN || op_is_weather(err), "a file request gives %d", err);
        ledger_free(request);
        return;
    }
    ledger_owe(request);
    actor->request = request;
}

static void cancel(struct op_actor *actor) {
    struct request *request = actor->request;
    bool was_cancelled = request->is_cancelled;
    int err = CALL(&actor->desk->party, eddy_file_cancel(&request->file));
    sim_check(err == 0 || err == -EBUSY || err == -EALREADY, "to cancel a request gives %d", err);
    if (was_cancelled) sim_check(err == -EALREADY, "a second cancel gives %d", err);
    if (err == 0) request->is_cancelled = true;
    /* What the kernel had begun, and then gave up, is in the pool's queue, and nothing is done of
     * it. */
    const char *reason;
    if (err == 0 && eddy_loop_files(actor->desk->party.loop, &reason) == EDDY_FILES_URING)
        request->is_running = false;
    if (err == -EBUSY) request->is_running = true;
}

/* --- A fork --- */

/* A thread of the parent may have been at any point of it. What it has done to the file is done in
 * the child's world as well: from here on the file is one that cannot be looked at. */
void op_file_fork(struct desk *desk) {
    for (unsigned i = 0; i < ACTORS; i++) {
        struct op_actor *actor = desk->actors[i];
        struct request *request = actor != NULL ? actor->request : NULL;
        if (request == NULL || request->file.work.handed_over == 0) continue;
        request->is_parents = true;
        request->is_running = false;
        actor->is_nameless = true;
        if (request->serial != 0 && sim_serial(request->count) != request->serial)
            request->count = -1;
    }
}

void op_file_take_back(struct desk *desk) {
    for (unsigned i = 0; i < ACTORS; i++) {
        struct op_actor *actor = desk->actors[i];
        if (actor == NULL || actor->request == NULL || !actor->request->is_parents) continue;
        cancel(actor);
        sim_check(!actor->request->is_running, "a request runs that no thread has");
    }
}

/* --- All of them --- */

void op_file(struct desk *desk) {
    struct op_actor **place = &desk->actors[pick(ACTORS)];
    if (*place == NULL) {
        *place = ledger_new("actor", sizeof **place);
        **place = (struct op_actor){.desk = desk, .fd = -1, .directory_fd = -1};
        (*place)->number = (unsigned)++office.actor_numbers;
    }
    if (pick(10) == 0) CALL_VOID(&desk->party, eddy_file_set_attempt(desk->party.loop, pick(2)));
    if ((*place)->request == NULL)
        ask(*place);
    else if (pick(3) == 0)
        cancel(*place);
}

void op_file_begin(void) {
    sim_put_directory("desk");
}

/* After all requests are done. */
void op_file_end(struct desk *desk) {
    for (unsigned i = 0; i < ACTORS; i++) {
        struct op_actor *actor = desk->actors[i];
        if (actor == NULL) continue;
        sim_check(actor->request == NULL, "a file request is left");
        if (actor->fd >= 0) sim_close(actor->fd);
        if (actor->directory_fd >= 0) sim_close(actor->directory_fd);
        ledger_free(actor);
        desk->actors[i] = NULL;
    }
}

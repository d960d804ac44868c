/* file_ring.c: a ring of file requests that the kernel does by itself. Each takes its own time of
 * the disk's, so that they end in any order, is cut short, or given up for a reason of the
 * kernel's; a cancel finds it not begun, or begun. What is done, is done when it ends: so whoever
 * touches the memory of a request, or gives it back, before it is told is found out. Invariant: a
 * ring is closed with nothing under way, but in a child, whose parent's it is. */
#include "file_tree.h"

#include <stdlib.h>
#include <string.h>

struct ring;

struct ring_request {
    struct ring_request *next; /* in the order of submission; once it is done, of that */
    struct ring *ring;
    struct eddy_os_file_job job;
    struct iovec one;
    struct iovec *vectors;               /* a copy */
    struct sim_description *description; /* of the file, held from the submit on; NULL: none */
    int64_t result;
    int error;     /* that it will be given up with; 0: it will be done */
    bool in_child; /* the process that has submitted it */
};

struct ring {
    struct ring_request *put, *under_way, *done;
    struct sim_description *end;
};

static void append(struct ring_request **list, struct ring_request *request) {
    while (*list != NULL) list = &(*list)->next;
    *list = request;
    request->next = NULL;
}

static void take_out(struct ring_request **list, struct ring_request *request) {
    while (*list != request) list = &(*list)->next;
    *list = request->next;
}

static struct ring_request *find(struct ring_request *list, const void *token) {
    while (list != NULL && list->job.token != token) list = list->next;
    return list;
}

static void drop(struct ring_request *request) {
    free(request->vectors);
    free(request);
}

/* --- The descriptor --- */

static unsigned ring_ready(void *object) {
    const struct ring *ring = object;
    return ring->done != NULL ? EDDY_READ : 0;
}

static void drop_all(struct ring_request *list) {
    while (list != NULL) {
        struct ring_request *next = list->next;
        drop(list);
        list = next;
    }
}

/* In a child what is under way ends for nobody: ring_complete drops it. */
static void ring_close(void *object) {
    struct ring *ring = object;
    bool is_done = ring->under_way == NULL || ring->under_way->in_child != sim_is_child();
    sim_check(is_done, "a ring is closed with requests under way");
    drop_all(ring->put);
    drop_all(ring->done);
    free(ring);
}

static const struct sim_kind ring_kind = {
    .name = "ring",
    .ready = ring_ready,
    .close = ring_close,
    .can_be_watched = true,
};

static struct ring *ring_of(const struct eddy_os_ring *ring) {
    struct ring *it = sim_object_get(ring->fd, &ring_kind);
    sim_check(it != NULL, "a ring is used that is not open");
    return it;
}

int eddy_os_file_ring_open(struct eddy_os_ring *ring, unsigned entries, unsigned under_way) {
    (void)under_way;
    *ring = (struct eddy_os_ring){.fd = -1};
    int err = sim_enter(OS_CALL_file_ring_open);
    if (err < 0) return err;
    struct ring *it = calloc(1, sizeof *it);
    if (it == NULL) sim_fail("no memory for the simulation itself");
    int fd = sim_descriptor_add(&ring_kind, it);
    sim_note("ring: %s", sim_result(fd));
    if (fd < 0) {
        free(it);
        return fd;
    }
    it->end = sim_descriptor_get(fd);
    ring->fd = fd;
    ring->entries = 1 + sim_below(entries); /* less than was asked for is allowed */
    return 0;
}

void eddy_os_file_ring_close(struct eddy_os_ring *ring) {
    sim_step();
    sim_descriptor_close(ring->fd);
    ring->fd = -1;
}

/* --- Requests --- */

bool eddy_os_file_ring_takes(int fd, bool writes, int64_t size) {
    (void)writes, (void)size;
    sim_step();
    const struct open_file *file = file_get(fd);
    return file != NULL && file->node->kind == NODE_FILE;
}

bool eddy_os_file_ring_put(struct eddy_os_ring *ring, const struct eddy_os_file_job *job) {
    struct ring *it = ring_of(ring);
    unsigned count = 0;
    for (const struct ring_request *at = it->put; at != NULL; at = at->next) count++;
    if (count == ring->entries) return false;
    struct ring_request *request = calloc(1, sizeof *request);
    if (request == NULL) sim_fail("no memory for the simulation itself");
    *request = (struct ring_request){.ring = it, .job = *job};
    if (job->count == 1) request->one = job->vectors[0];
    append(&it->put, request);
    return true;
}

static int64_t perform(struct ring_request *request) {
    const struct eddy_os_file_job *job = &request->job;
    bool is_file = request->description != NULL;
    bool syncs = job->operation == EDDY_OS_FILE_SYNC || job->operation == EDDY_OS_FILE_DATASYNC;
    if (syncs) return is_file ? 0 : -EBADF;
    return file_transfer(request->description, request->vectors, job->count, job->offset,
                         job->operation == EDDY_OS_FILE_WRITE);
}

/* The parent's kernel does nothing in its child. */
static void complete(void *context) {
    struct ring_request *request = context;
    if (request->in_child != sim_is_child()) {
        if (request->description != NULL) sim_description_release(request->description);
        drop(request);
        return;
    }
    struct ring *it = request->ring;
    request->result = request->error < 0 ? request->error : perform(request);
    if (request->description != NULL) sim_description_release(request->description);
    request->description = NULL;
    take_out(&it->under_way, request);
    sim_note("ring ends one of %d: %s", request->job.fd, sim_result(request->result));
    append(&it->done, request);
    sim_progress();
    sim_description_changed(it->end, EDDY_READ);
}

static void begin(struct ring_request *request) {
    const struct eddy_os_file_job *job = &request->job;
    size_t bytes = (size_t)job->count * sizeof *request->vectors;
    if (job->count > 0) {
        request->vectors = malloc(bytes);
        if (request->vectors == NULL) sim_fail("no memory for the simulation itself");
        memcpy(request->vectors, job->count == 1 ? &request->one : job->vectors, bytes);
    }
    request->description = sim_descriptor_get(job->fd);
    if (request->description != NULL) sim_description_hold(request->description);
    request->error = sim_enter(OS_CALL_file_ring_next);
    request->in_child = sim_is_child();
    append(&request->ring->under_way, request);
    sim_note("ring takes a request of %d", job->fd);
    int64_t longest_ns = sim_weather()->disk_ns;
    if (longest_ns == 0 || sim_below(8) == 0)
        complete(request); /* before the submit returns */
    else
        sim_after((int64_t)sim_below((unsigned)longest_ns + 1), complete, request);
}

/* The kernel may take some of them. */
unsigned eddy_os_file_ring_submit(struct eddy_os_ring *ring) {
    struct ring *it = ring_of(ring);
    bool is_short = false;
    unsigned left = 0;
    if (it->put == NULL) return 0;
    while (it->put != NULL) {
        struct ring_request *request = it->put;
        it->put = request->next;
        is_short = is_short || sim_enter(OS_CALL_file_ring_submit) < 0;
        left += is_short;
        if (is_short)
            drop(request);
        else
            begin(request);
    }
    return left;
}

int eddy_os_file_ring_next(struct eddy_os_ring *ring, struct eddy_os_file_result *results,
                           int room) {
    struct ring *it = ring_of(ring);
    int count = 0;
    for (; it->done != NULL && count < room; count++) {
        struct ring_request *request = it->done;
        it->done = request->next;
        results[count].token = request->job.token;
        results[count].result = request->result;
        drop(request);
    }
    if (count > 0) sim_progress();
    return count;
}

/* What has not begun is told as cancelled when its time has come; of what has, half of it is given
 * up all the same. */
int eddy_os_file_ring_cancel(struct eddy_os_ring *ring, void *token) {
    struct ring *it = ring_of(ring);
    int err = sim_enter(OS_CALL_file_ring_cancel);
    if (err < 0) return err;
    if (find(it->done, token) != NULL) return -EALREADY;
    struct ring_request *request = find(it->under_way, token);
    sim_check(request != NULL, "a request is cancelled that is not under way");
    bool has_begun = sim_below(2) == 0;
    sim_note("ring is to cancel one of %d", request->job.fd);
    if (!has_begun || sim_below(2) == 0) request->error = has_begun ? -EINTR : -ECANCELED;
    return has_begun ? -EBUSY : 0;
}

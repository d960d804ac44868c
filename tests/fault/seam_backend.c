/* seam_backend.c: the backend under test with the seam before it, as the only one that there is;
 * and what becomes of waits in which nothing happens. See seam.h. Threading: the loop's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../platform/backend.h"
#include "seam.h"

/* How long a wait goes on in which nothing happens. */
#define PATIENCE_NS         INT64_C(5000000)
#define PATIENCE_THREADS_NS INT64_C(100000000) /* a thread may be slow to do its part */
#define PATIENCE_LASTING_NS INT64_C(1000000)   /* nothing more will happen, mostly */
#define TURN_LASTING_NS     INT64_C(50000000)  /* so that a spin comes to its deadline soon */

extern const struct eddy_backend *const real_backend_table[];

static const struct eddy_backend *real;
static struct eddy_backend wrapped;
const struct eddy_backend *const eddy_backend_table[] = {&wrapped, NULL};

static int open_backend(void *state, const eddy_allocator *memory, int capacity) {
    int err = seam_fail(OS_CALL_backend_open);
    return err < 0 ? err : real->open(state, memory, capacity);
}

static int reopen_backend(void *state) {
    int err = seam_fail(OS_CALL_backend_reopen);
    int result = real->reopen(state);
    if (err == 0 || result < 0) return result;
    real->close(state);
    return err;
}

static int add(void *state, int fd, unsigned events, eddy_token token) {
    int err = seam_fail(OS_CALL_backend_add);
    return err < 0 ? err : real->add(state, fd, events, token);
}

static int modify(void *state, int fd, unsigned old_events, unsigned events, eddy_token token) {
    int err = seam_fail(OS_CALL_backend_modify);
    return err < 0 ? err : real->modify(state, fd, old_events, events, token);
}

static int wait_some(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    int err = seam_fail(OS_CALL_backend_wait);
    int64_t patience_ns = seam_counts().threads > 0 ? PATIENCE_THREADS_NS : PATIENCE_NS;
    if (seam_is_lasting()) {
        patience_ns = PATIENCE_LASTING_NS;
        seam_skip_time(TURN_LASTING_NS);
    }
    if (err < 0) return err;
    if (timeout_ns >= 0 && timeout_ns <= patience_ns)
        return real->wait(state, records, capacity, timeout_ns);
    int count = real->wait(state, records, capacity, patience_ns);
    if (count != 0) return count;
    seam_count_wait();
    if (timeout_ns > 0) seam_skip_time(timeout_ns - patience_ns);
    return 0;
}

static void *plain_resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    (void)context;
    (void)old_bytes;
    if (new_bytes > 0) return realloc(memory, new_bytes);
    free(memory);
    return NULL;
}

bool seam_is_refused(void) {
    void *state = calloc(1, real->state_bytes);
    int err = state != NULL ? real->open(state, &(eddy_allocator){plain_resize, NULL}, 1) : -ENOMEM;
    if (err == 0) real->close(state);
    free(state);
    return err == -ENOSYS || err == -EPERM || err == -EACCES;
}

bool seam_open_backend(const char *name) {
    const struct eddy_backend *const *found = real_backend_table;
    while (*found != NULL && strcmp((*found)->name, name) != 0) found++;
    if (*found == NULL) return false;
    real = *found;
    wrapped = *real;
    wrapped.open = open_backend;
    wrapped.reopen = reopen_backend;
    wrapped.add = add;
    wrapped.modify = modify;
    wrapped.wait = wait_some;
    return true;
}

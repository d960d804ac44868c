/* descriptor.c: the numbers of descriptors, and what they stand for.
 * The lowest free number is given out, as Unix does, so that a number is another's as soon as it is
 * closed. Invariant: a description lives as long as one of its descriptors. */
#include "socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 1024, WORD_BITS = 64, FEW = 24, FEW_SPREAD = 64 };

static struct {
    struct sim_description *table[NUMBERS];
    uint64_t used[NUMBERS / WORD_BITS]; /* a bit for each number */
    uint64_t serial;
    uint64_t inherited; /* the last serial that is the parent's as well; 0: there is no parent */
    unsigned count;
    int limit; /* of whoever has faults; the highest number is one less */
} descriptors;

/* --- The table --- */

static int lowest_free(void) {
    int limit = sim_self()->faults_off == 0 ? descriptors.limit : NUMBERS;
    for (int word = 0; word < NUMBERS / WORD_BITS; word++) {
        if (descriptors.used[word] == UINT64_MAX) continue;
        int fd = word * WORD_BITS + __builtin_ctzll(~descriptors.used[word]);
        return fd < limit ? fd : -EMFILE;
    }
    return -EMFILE;
}

bool sim_descriptors_are_all_used(void) {
    return lowest_free() < 0;
}

static void occupy(int fd, struct sim_description *description) {
    descriptors.used[fd / WORD_BITS] |= UINT64_C(1) << (fd % WORD_BITS);
    descriptors.table[fd] = description;
    descriptors.count++;
    if (description != NULL) description->descriptors++;
    sim_progress();
}

int sim_descriptor_add(const struct sim_kind *kind, void *object) {
    int fd = lowest_free();
    if (fd < 0) return fd;
    struct sim_description *description = calloc(1, sizeof *description);
    if (description == NULL) sim_fail("no memory for the simulation itself");
    description->kind = kind;
    description->object = object;
    description->serial = ++descriptors.serial;
    description->changes[0] = description->changes[1] = 1;
    occupy(fd, description);
    return fd;
}

struct sim_description *sim_descriptor_get(int fd) {
    return fd >= 0 && fd < NUMBERS ? descriptors.table[fd] : NULL;
}

void *sim_object_get(int fd, const struct sim_kind *kind) {
    struct sim_description *description = sim_descriptor_get(fd);
    return description != NULL && description->kind == kind ? description->object : NULL;
}

static void let_go(struct sim_description *description) {
    if (--description->descriptors > 0) return;
    if (description->watched > 0) sim_backends_forget(description);
    if (description->kind->close != NULL) description->kind->close(description->object);
    free(description);
}

int sim_description_open(struct sim_description *description) {
    int fd = lowest_free();
    if (fd >= 0) occupy(fd, description);
    return fd;
}

void sim_description_hold(struct sim_description *description) {
    description->descriptors++;
}

void sim_description_release(struct sim_description *description) {
    let_go(description);
}

int sim_descriptor_close(int fd) {
    struct sim_description *description = sim_descriptor_get(fd);
    if (description == NULL) return -EBADF;
    descriptors.used[fd / WORD_BITS] &= ~(UINT64_C(1) << (fd % WORD_BITS));
    descriptors.table[fd] = NULL;
    descriptors.count--;
    sim_note("close %d, %s", fd, description->kind->name);
    let_go(description);
    sim_progress();
    sim_readiness_changed(); /* some backends tell of it */
    return 0;
}

void sim_description_changed(struct sim_description *description, unsigned filters) {
    if (description == NULL) return;
    if (filters & EDDY_READ) description->changes[0]++;
    if (filters & EDDY_WRITE) description->changes[1]++;
    sim_readiness_changed();
}

uint64_t sim_serial(int fd) {
    const struct sim_description *description = sim_descriptor_get(fd);
    return description != NULL ? description->serial : 0;
}

/* --- The seam --- */

/* Of a loop's pipe; what is a stream's both processes may use. */
static void check_own(int fd, const struct sim_description *description, const char *what) {
    bool is_own = description->is_programs || description->serial > descriptors.inherited;
    sim_check(is_own, "a child %s its parent's pipe, %d", what, fd);
}

/* Errors that only a disk gives do not come out of what can be watched; and a pipe that has room
 * takes what fits: losing a byte that wakes a loop is no fault that a system can have. */
ssize_t eddy_os_read(int fd, void *data, size_t size) {
    int err = sim_enter(OS_CALL_read);
    struct sim_description *description = sim_descriptor_get(fd);
    if (description == NULL) return -EBADF;
    if (description->kind->read == NULL) return -EINVAL;
    check_own(fd, description, "reads");
    if (err < 0 && description->kind->can_be_watched) {
        /* What is there has only come after this call. */
        sim_description_changed(description, EDDY_READ);
        return -EAGAIN;
    }
    if (err < 0) return err;
    size_t asked = description->kind->reads_whole ? size : sim_shorten(size);
    ssize_t count = description->kind->read(description->object, data, asked);
    if (count == (ssize_t)asked && asked < size) sim_description_changed(description, EDDY_READ);
    sim_note("read %d: %s", fd, sim_result(count));
    return count;
}

/* The library writes to wake a loop, which others who want a lock need not wait for; a handler
 * comes when it comes. */
ssize_t eddy_os_write(int fd, const void *data, size_t size) {
    sim_check(sim_self()->locks == 0 || sim_self()->in_handler, "a write to %d under a lock", fd);
    int err = sim_enter(OS_CALL_write);
    struct sim_description *description = sim_descriptor_get(fd);
    sim_check(description != NULL, "a write to %d, which is not open", fd);
    if (description->kind->write == NULL) return -EINVAL;
    check_own(fd, description, "writes into");
    if (err < 0 && !description->kind->can_be_watched) return err;
    ssize_t count = description->kind->write(description->object, data, size);
    sim_note("write %d: %s", fd, sim_result(count));
    return count;
}

int eddy_os_close(int fd) {
    int err = sim_enter(OS_CALL_close);
    int result = sim_descriptor_close(fd);
    sim_check(result == 0, "close of %d, which is not open", fd);
    return err;
}

int eddy_os_replace(int fd, int by) {
    int err = sim_enter(OS_CALL_replace);
    struct sim_description *description = sim_descriptor_get(by);
    if (description == NULL) return -EBADF;
    if (err == 0 && fd != by) {
        description->descriptors++;
        if (sim_descriptor_get(fd) != NULL) sim_descriptor_close(fd);
        description->descriptors--;
        occupy(fd, description);
        sim_note("%d is what %d was", fd, by);
    }
    sim_descriptor_close(by);
    return err;
}

bool eddy_os_is_open(int fd) {
    sim_step();
    return sim_descriptor_get(fd) != NULL;
}

/* -EBADF for one that is open would be a lie, after which nobody would close it. */
int eddy_os_prepare_descriptor(int fd) {
    sim_enter(OS_CALL_prepare_descriptor);
    return sim_descriptor_get(fd) != NULL ? 0 : -EBADF;
}

static unsigned reserve_ready(void *object) {
    (void)object;
    return 0;
}

int eddy_os_open_reserve(void) {
    static const struct sim_kind kind = {
        .name = "reserve", .ready = reserve_ready, .can_be_watched = true};
    int err = sim_enter(OS_CALL_open_reserve);
    return err < 0 ? err : sim_descriptor_add(&kind, NULL);
}

/* --- The program's own --- */

ssize_t sim_read(int fd, void *data, size_t size) {
    struct sim_description *description = sim_descriptor_get(fd);
    sim_check(description != NULL && description->kind->read != NULL, "sim_read of %d", fd);
    return description->kind->read(description->object, data, size);
}

ssize_t sim_write(int fd, const void *data, size_t size) {
    struct sim_description *description = sim_descriptor_get(fd);
    sim_check(description != NULL && description->kind->write != NULL, "sim_write to %d", fd);
    return description->kind->write(description->object, data, size);
}

void sim_close(int fd) {
    sim_check(sim_descriptor_close(fd) == 0, "sim_close of %d, which is not open", fd);
}

int sim_descriptor_duplicate(int fd) {
    struct sim_description *description = sim_descriptor_get(fd);
    if (description == NULL) return -EBADF;
    int duplicate = sim_description_open(description);
    if (duplicate < 0) return duplicate;
    sim_note("%d is a duplicate of %d", duplicate, fd);
    return duplicate;
}

int sim_duplicate(int fd) {
    sim_faults_off();
    int duplicate = sim_descriptor_duplicate(fd);
    sim_faults_on();
    sim_check(duplicate >= 0, "sim_duplicate of %d: %d", fd, duplicate);
    return duplicate;
}

unsigned sim_descriptors(void) {
    return descriptors.count;
}

void sim_limit_descriptors(unsigned limit) {
    descriptors.limit = limit < NUMBERS ? (int)limit : NUMBERS;
}

/* --- Beginning and ending --- */

/* No standard ones: 0 is a number like any other. Where calls fail, there may be few numbers for as
 * long as the world lasts, so that whoever is short stays short. */
void sim_descriptors_begin(void) {
    memset(&descriptors, 0, sizeof descriptors);
    descriptors.limit = NUMBERS;
    if (sim_weather()->faults > 0 && sim_below(4) == 0)
        descriptors.limit = FEW + (int)sim_below(FEW_SPREAD);
    network_begin();
}

void sim_descriptors_fork(void) {
    descriptors.inherited = descriptors.serial;
}

/* What a thread of the parent was just opening, nobody in the child knows of. */
static bool is_lost(const struct sim_description *description) {
    return description->serial <= descriptors.inherited && !description->kind->can_be_watched;
}

void sim_descriptors_end(void) {
    for (int fd = 0; fd < NUMBERS; fd++) {
        const struct sim_description *description = descriptors.table[fd];
        sim_check(description == NULL || is_lost(description), "descriptor %d, %s, was not closed",
                  fd, description->kind->name);
    }
    network_end();
}

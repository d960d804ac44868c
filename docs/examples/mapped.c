/* mapped.c: memory can block, too. A page of a mapped file that is not in memory is fetched when it
 * is touched, by the thread that touches it; if that is the loop's, everybody waits for the disk.
 * `mapped [DIRECTORY]` makes a file of 32 MiB there, has the system forget it, and looks at each
 * page, in no order: through a mapping, in callbacks that look at 256 of them, and by reads. Beside
 * it a timer ticks every 10 ms.
 * Read beside it: docs/16-questions.md. */
#include <eddy.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 8192, PAGES_A_CALL = 256 };
#define TICK_NS (10 * EDDY_NS_PER_MS)

static eddy_loop *loop;
static int file;
static const unsigned char *memory;
static unsigned order, sum;
static int seen, errors;

/* Each once, far apart, so that the system does not guess which is next: an odd step, and PAGES is
 * a power of two. */
static size_t next_page(void) {
    seen++;
    order = (order + 7919) % PAGES;
    return order;
}

/* --- The timer beside it, which ends with it --- */

static eddy_timer tick;
static int64_t due_ns, late_ns; /* of the next tick; the worst */

static void on_tick(eddy_timer *timer) {
    eddy_loop_update_now(loop);
    int64_t ns = eddy_loop_now_ns(loop) - due_ns;
    if (ns > late_ns) late_ns = ns;
    due_ns = eddy_timer_due_ns(timer);
}

/* --- Through a mapping --- */

static eddy_defer defer;
static int64_t longest_ns;

/* It looks like 256 additions. */
static void on_defer(eddy_defer *it) {
    eddy_loop_update_now(loop);
    int64_t begin_ns = eddy_loop_now_ns(loop);
    for (int i = 0; i < PAGES_A_CALL; i++) sum += memory[next_page() * PAGE];
    eddy_loop_update_now(loop);
    int64_t ns = eddy_loop_now_ns(loop) - begin_ns;
    if (ns > longest_ns) longest_ns = ns;
    if (seen < PAGES)
        eddy_defer_start(it, on_defer);
    else
        eddy_timer_stop(&tick);
}

static int start_mapped(void) {
    return eddy_defer_start(&defer, on_defer);
}

/* --- By file requests, which a thread of the pool waits for --- */

static eddy_file request;
static unsigned char page[PAGE];

static int start_read(void);

static void on_read(eddy_file *it) {
    if (it->result == PAGE)
        sum += page[0];
    else
        errors++;
    if (errors > 0 || seen == PAGES || start_read() < 0) eddy_timer_stop(&tick);
}

static int start_read(void) {
    int64_t offset = (int64_t)next_page() * PAGE;
    return eddy_file_read(loop, &request, file, page, sizeof page, offset, on_read);
}

/* --- The measurement --- */

static int make_file(const char *directory) {
    char bytes[PAGE], path[1024];
    memset(bytes, 1, sizeof bytes);
    if (snprintf(path, sizeof path, "%s/mapped.XXXXXX", directory) >= (int)sizeof path)
        return -ENAMETOOLONG;
    file = mkstemp(path);
    if (file < 0) return -errno;
    unlink(path); /* it goes with its descriptor */
    for (int i = 0; i < PAGES; i++)
        if (write(file, bytes, sizeof bytes) != sizeof bytes) return -EIO;
    return fsync(file) < 0 ? -errno : 0;
}

/* Nothing promises it: a file system in memory has no other place for it, and some systems have not
 * even the call. */
static void forget_file(void) {
#ifdef POSIX_FADV_DONTNEED
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
#endif
}

static long faults(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_majflt : 0;
}

static int measure(const char *name, int (*start)(void)) {
    late_ns = longest_ns = seen = 0;
    order = sum = 0;
    forget_file();
    long faults_before = faults();
    int err = eddy_timer_start(&tick, on_tick, TICK_NS, TICK_NS);
    if (err == 0) err = start();
    due_ns = eddy_timer_due_ns(&tick);
    int64_t begin_ns = eddy_loop_now_ns(loop);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    int64_t took_ns = eddy_loop_now_ns(loop) - begin_ns;
    printf("%-8s %7.1f ms  %6ld faults", name, (double)took_ns / 1e6, faults() - faults_before);
    if (longest_ns > 0) printf("  256 pages at most %5.1f ms", (double)longest_ns / 1e6);
    printf("  a tick at most %5.1f ms late\n", (double)late_ns / 1e6);
    return err < 0 ? err : sum == PAGES && errors == 0 ? 0 : -EIO;
}

int main(int argc, char **argv) {
    if (argc > 2) return fprintf(stderr, "usage: mapped [DIRECTORY]\n"), 2;
    int err = make_file(argc > 1 ? argv[1] : ".");
    if (err == 0) err = eddy_loop_open(&loop, NULL);
    if (err == 0) {
        eddy_timer_init(&tick, loop);
        eddy_defer_init(&defer, loop);
        forget_file();
        memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED) err = -errno;
    }
    if (err == 0)
        (void)posix_madvise((void *)(uintptr_t)memory, (size_t)PAGES * PAGE,
                            POSIX_MADV_RANDOM); /* fetches nothing beside */
    if (err == 0) err = measure("mapped", start_mapped);
    if (err == 0) munmap((void *)(uintptr_t)memory, (size_t)PAGES * PAGE);
    if (err == 0) err = measure("read", start_read);
    char text[80];
    if (err < 0) return fprintf(stderr, "mapped: %s\n", eddy_strerror(err, text, sizeof text)), 1;
    close(file);
    return eddy_loop_close(loop) < 0;
}

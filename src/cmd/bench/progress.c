/* progress.c: see progress.h. */
#include "progress.h"

#include <unistd.h>

static const int64_t lines_apart_ns = 10 * EDDY_NS_PER_S; /* in a file */
static const int64_t estimate_after_ns = 2 * EDDY_NS_PER_S;

void bench_progress_begin(struct bench_progress *progress, unsigned total, bool is_shown) {
    int64_t now_ns = bench_now_ns();
    *progress = (struct bench_progress){
        .is_shown = is_shown,
        .is_terminal = isatty(STDERR_FILENO),
        .total = total,
        .start_ns = now_ns,
        .told_ns = now_ns,
    };
}

/* As if the samples to come took as long as those before them: large sizes, which come last in a
 * group of workloads, take longer to set up. */
static void tell_estimate(const struct bench_progress *progress, int64_t now_ns) {
    int64_t so_far_ns = now_ns - progress->start_ns;
    if (progress->done == 0 || so_far_ns < estimate_after_ns) return;
    int64_t left_ns = so_far_ns / progress->done * (progress->total - progress->done);
    unsigned seconds = (unsigned)(left_ns / EDDY_NS_PER_S) + 1;
    fprintf(stderr, seconds < 100 ? ", about %u s left" : ", about %u min left",
            seconds < 100 ? seconds : (seconds + 30) / 60);
}

void bench_progress_tell(struct bench_progress *progress, const struct bench_case *it,
                         unsigned round, unsigned rounds) {
    int64_t now_ns = bench_now_ns();
    bool is_time = progress->is_terminal || now_ns - progress->told_ns >= lines_apart_ns;
    if (progress->is_shown && is_time) {
        fprintf(stderr, "%s%u of %u: %s, %s: %s, round %u of %u",
                progress->is_terminal ? "\r\033[K" : "", progress->done, progress->total,
                it->workload, it->setting, it->subject, round, rounds);
        tell_estimate(progress, now_ns);
        if (!progress->is_terminal) fputc('\n', stderr);
        fflush(stderr);
        progress->told_ns = now_ns;
    }
    progress->done++;
}

void bench_progress_end(const struct bench_progress *progress) {
    if (progress->is_shown && progress->is_terminal) fputs("\r\033[K", stderr);
}

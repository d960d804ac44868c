/* stats.c: where the time of a loop goes: an observer that keeps histograms.
 *
 * The clock is read by whoever calls (observe.h), once for all observers. The label of what is
 * called is copied before the call, since it may be gone with what it names afterwards; so is all
 * else that a slow call is told by. Queues have no counts: what a turn has taken from them is known
 * from the loop's own, and what it has left is counted here.
 *
 * Invariant: phase_ns is when `phase` began, or UNKNOWN before the first one; wait_ns is when the
 * turn's wait ended, or UNKNOWN outside of what is timed as lag.
 * Threading: loop thread only. Read <eddy/stats.h> and observe.h first. */
#include <eddy/stats.h>

#include "check.h"
#include "copy.h"
#include "histogram.h"
#include "loop.h"
#include "observe.h"

#include <errno.h>
#include <string.h>

enum {
    UNKNOWN = -1,
    LEFT_MAX = 4096, /* counted in each turn; a longer queue would make that its main work */
};

_Static_assert(sizeof(struct observer) <= sizeof(((eddy_stats *)0)->observer), "it has room");
_Static_assert(offsetof(eddy_stats, observer) == 0, "an observer comes first");

static void stats_phase(struct observer *observer, int phase, int64_t now_ns);

static eddy_stats *stats_of(const eddy_loop *loop) {
    struct observer *observer = loop->observers;
    while (observer != NULL && observer->phase != stats_phase) observer = observer->next;
    return (eddy_stats *)(void *)observer;
}

static eddy_stats *stats_from(struct observer *observer) {
    return (eddy_stats *)(void *)observer;
}

/* --- Queues --- */

static uint64_t stats_count_posts(const struct inbox_queue *queue, uint64_t most) {
    uint64_t count = 0;
    for (const eddy_post *post = queue->first; post != NULL && count < most; post = post->next)
        count++;
    return count;
}

static void stats_count_post(void *context, eddy_post *post) {
    (void)post;
    ++*(uint64_t *)context;
}

static uint64_t stats_count_links(const eddy_link *list) {
    uint64_t count = 0;
    for (const eddy_link *link = list->next; link != list; link = link->next) count++;
    return count;
}

static uint64_t stats_count_deferred(const struct defer_list *list) {
    return stats_count_links(&list->queued) + stats_count_links(&list->now);
}

static void stats_note_length(eddy_queue_length *length, uint64_t found) {
    if (found > length->most) length->most = found;
}

/* Of the turn that ends: what it has called, and what was there beyond what one may call. */
static void stats_note_queues(eddy_stats *stats) {
    const eddy_metrics *metrics = &stats->loop->metrics;
    const struct inbox *inbox = &stats->loop->inbox;
    uint64_t left = stats_count_posts(&inbox->posts, LEFT_MAX);
    left += stats_count_posts(&inbox->signals, LEFT_MAX - left);
    stats_note_length(&stats->figures.inbox, metrics->completions - stats->completions + left);
    stats_note_length(&stats->figures.deferred, metrics->deferred - stats->deferred);
    stats_note_length(&stats->figures.closing, metrics->closed - stats->closed);
    stats->completions = metrics->completions;
    stats->deferred = metrics->deferred;
    stats->closed = metrics->closed;
}

/* --- Turns --- */

static void stats_end_turn(eddy_stats *stats, int64_t now_ns) {
    stats_note_queues(stats);
    if (stats->wait_ns == UNKNOWN) return;
    histogram_record(&stats->figures.lag, now_ns - stats->wait_ns);
    stats->figures.turns++;
    stats->wait_ns = UNKNOWN;
}

static void stats_phase(struct observer *observer, int phase, int64_t now_ns) {
    eddy_stats *stats = stats_from(observer);
    if (stats->phase_ns != UNKNOWN)
        histogram_record(&stats->figures.phases[stats->phase], now_ns - stats->phase_ns);
    stats->phase = (uint32_t)phase;
    stats->phase_ns = now_ns;
    if (phase == 0)
        stats_end_turn(stats, now_ns);
    else if (phase > 2 && stats->wait_ns == UNKNOWN)
        stats->wait_ns = now_ns;
}

static void stats_waited(struct observer *observer, int count, int64_t now_ns) {
    (void)count;
    stats_phase(observer, 3, now_ns);
}

/* --- Callbacks --- */

static void stats_copy_label(char label[EDDY_STATS_LABEL_BYTES], const char *text) {
    size_t length = 0;
    while (length + 1 < EDDY_STATS_LABEL_BYTES && text[length] != '\0') length++;
    memcpy(label, text, length);
    label[length] = '\0';
}

static void stats_call(struct observer *observer, eddy_kind what, const void *object, uintptr_t fn,
                       int64_t now_ns) {
    eddy_stats *stats = stats_from(observer);
    eddy_slow_call *call = &stats->call;
    const char *text = eddy__part_label(stats->loop, object);
    stats->is_calling = true;
    call->began_ns = now_ns;
    call->object = (uintptr_t)object;
    call->fn = fn;
    call->kind = what;
    call->phase = stats->phase;
    call->label[0] = '\0';
    if (text != NULL) stats_copy_label(call->label, text);
}

static bool stats_is_slow(const eddy_loop_stats *figures, int64_t taken_ns) {
    return figures->slow_count < EDDY_STATS_SLOWEST ||
           taken_ns > figures->slowest[EDDY_STATS_SLOWEST - 1].taken_ns;
}

/* Behind those that took as long. */
APART static void stats_keep(eddy_loop_stats *figures, const eddy_slow_call *call) {
    if (figures->slow_count < EDDY_STATS_SLOWEST) figures->slow_count++;
    unsigned place = figures->slow_count - 1;
    for (; place > 0 && figures->slowest[place - 1].taken_ns < call->taken_ns; place--)
        figures->slowest[place] = figures->slowest[place - 1];
    figures->slowest[place] = *call;
}

/* One that was under way at the start is not known. */
static void stats_returned(struct observer *observer, int64_t now_ns) {
    eddy_stats *stats = stats_from(observer);
    if (!stats->is_calling) return;
    stats->is_calling = false;
    stats->call.taken_ns = now_ns - stats->call.began_ns;
    histogram_record(&stats->figures.calls, stats->call.taken_ns);
    if (stats_is_slow(&stats->figures, stats->call.taken_ns))
        stats_keep(&stats->figures, &stats->call);
}

static void stats_timer(struct observer *observer, int64_t late_ns) {
    histogram_record(&stats_from(observer)->figures.late, late_ns);
}

/* --- Start and stop --- */

/* What was under way is not measured: its beginning was the parent's, or before the start. */
static void stats_begin(struct observer *observer) {
    eddy_stats *stats = stats_from(observer);
    const eddy_metrics *metrics = &stats->loop->metrics;
    stats->phase_ns = stats->wait_ns = UNKNOWN;
    stats->is_calling = false;
    stats->completions = metrics->completions;
    stats->deferred = metrics->deferred;
    stats->closed = metrics->closed;
}

int eddy_stats_start(eddy_stats *stats, eddy_loop *loop) {
    CHECK_CHANGE(loop);
    if (stats_of(loop) != NULL || stats->loop != NULL) return -EBUSY;
    struct observer *observer = (struct observer *)(void *)stats->observer;
    memset(stats, 0, sizeof *stats);
    observer->phase = stats_phase;
    observer->waited = stats_waited;
    observer->call = stats_call;
    observer->returned = stats_returned;
    observer->timer = stats_timer;
    observer->after_fork = stats_begin;
    stats->loop = loop;
    stats->figures.since_ns = eddy_os_clock_ns();
    stats_begin(observer);
    eddy__observe_begin(loop, observer);
    return 0;
}

void eddy_stats_stop(eddy_stats *stats) {
    if (stats->loop == NULL) return;
    CHECK_CHANGE(stats->loop);
    eddy__observe_end(stats->loop, (struct observer *)(void *)stats->observer);
    stats->loop = NULL;
}

int eddy_loop_read_stats(const eddy_loop *loop, eddy_loop_stats *figures, size_t size) {
    CHECK_THREAD(loop);
    eddy_stats *stats = stats_of(loop);
    if (stats == NULL) return -ENOENT;
    eddy_loop_stats *it = &stats->figures;
    it->now_ns = eddy_os_clock_ns();
    it->inbox.now = 0;
    eddy__inbox_look(loop, stats_count_post, &it->inbox.now);
    it->deferred.now = stats_count_deferred(&loop->deferred);
    it->closing.now = stats_count_deferred(&loop->closing);
    copy_known(figures, size, it, sizeof *it);
    return 0;
}

void eddy_loop_reset_slowest(eddy_loop *loop) {
    CHECK_THREAD(loop);
    eddy_stats *stats = stats_of(loop);
    if (stats == NULL) return;
    eddy_loop_stats *it = &stats->figures;
    it->slow_count = 0;
    memset(it->slowest, 0, sizeof it->slowest);
    it->inbox.most = it->deferred.most = it->closing.most = 0;
}

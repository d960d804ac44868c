/* code.c: what the model takes the code to be: each order with the line that has it, how many
 * atomic operations each file has, and the names of the changes. */
#include "programs.h"

#include <stdio.h>
#include <string.h>

const struct site_of_code sites[SITES] = {
    [PIPE_LOCK] = {"pipe", ACQ_REL, ACQ_REL, NULL, NULL},
    [PUSH_LOAD] = {"push-load", RELAXED, RELAXED, "src/core/inbox.c",
                   "head = atomic_load_explicit(&inbox->head, memory_order_relaxed);\n    do"},
    [PUSH_SWAP] = {"push-swap", RELEASE, RELEASE, "src/core/inbox.c", "memory_order_release,"},
    [LOOK] = {"look", RELAXED, RELAXED, "src/core/inbox.c",
              "atomic_load_explicit(&inbox->head, memory_order_relaxed);\n    if (head == NULL"},
    [TAKE] = {"take", ACQUIRE, ACQUIRE, "src/core/inbox.c",
              "atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire)"},
    [WAITING_LOOK] =
        {"waiting-look", RELAXED, RELAXED, "src/core/inbox.h",
         "head = atomic_load_explicit(&inbox->head, memory_order_relaxed);\n    return"},
    [SET_WAITING] = {"set-waiting", RELAXED, RELAXED, "src/core/inbox.h",
                     "memory_order_relaxed, memory_order_relaxed)) ||"},
    [SET_AWAKE] = {"set-awake", RELAXED, RELAXED, "src/core/inbox.h",
                   "&head, NULL, memory_order_relaxed,"},
    [REFUSE] = {"refuse", RELEASE, RELEASE, "src/core/wakeup.c",
                "atomic_fetch_add_explicit(&wakeup->refused, 1, memory_order_release)"},
    [REFUSED_LOOK] = {"refused", ACQUIRE, ACQUIRE, "src/core/wakeup.c",
                      "atomic_load_explicit(&wakeup->refused, memory_order_acquire)"},
    [SEND] = {"send", ACQ_REL, ACQ_REL, "src/core/wake.c",
              "atomic_exchange_explicit(&wake->pending, 1, memory_order_acq_rel) == 0"},
    [WAKE_RUN] = {"run", ACQ_REL, ACQ_REL, "src/core/wake.c",
                  "atomic_exchange_explicit(&wake->pending, 0, memory_order_acq_rel)"},
    [WAKE_START] = {"start", RELEASE, RELEASE, "src/core/wake.c",
                    "atomic_store_explicit(&wake->pending, 0, memory_order_release)"},
    [WAKE_STOP] = {"stop", RELAXED, RELAXED, "src/core/wake.c",
                   "atomic_exchange_explicit(&wake->pending, 1, memory_order_relaxed) == 1"},
    [HANDLER_COUNT] = {"count", SEQ_CST, SEQ_CST, "src/core/signal.c",
                       "atomic_fetch_add(&signal_handlers_running, 1)"},
    [HANDLER_FIRST] = {"handler-first", SEQ_CST, SEQ_CST, "src/core/signal.c",
                       "*watcher = atomic_load(&signal_first[number])"},
    [HANDLER_NEXT] = {"handler-next", SEQ_CST, SEQ_CST, "src/core/signal.c",
                      "*next = atomic_load(&watcher->next)"},
    [HANDLER_PENDING] = {"handler-pending", SEQ_CST, ACQUIRE, "src/core/signal.c",
                         "atomic_exchange(&watcher->pending, SIGNAL_SENT) != SIGNAL_SENT"},
    [HANDLER_UNCOUNT] = {"uncount", SEQ_CST, RELAXED, "src/core/signal.c",
                         "atomic_fetch_sub(&signal_handlers_running, 1)"},
    [SIGNAL_RUN] = {"signal-run", SEQ_CST, RELEASE, "src/core/signal.c",
                    "    atomic_exchange(&watcher->pending, SIGNAL_IDLE);"},
    [SIGNAL_LINK] = {"link", SEQ_CST, RELEASE, "src/core/signal.c",
                     "atomic_store(&signal_first[number], watcher)"},
    [SIGNAL_UNLINK] = {"unlink", SEQ_CST, SEQ_CST, "src/core/signal.c", "atomic_store(at, next)"},
    [SIGNAL_WAIT] = {"wait", SEQ_CST, SEQ_CST, "src/core/signal.c",
                     "while (atomic_load(&signal_handlers_running) > 0)"},
    [SIGNAL_STOP] = {"signal-stop", SEQ_CST, RELAXED, "src/core/signal.c",
                     "atomic_exchange(&watcher->pending, SIGNAL_IDLE) == SIGNAL_SENT"},
    [TRACE_FENCE] = {"trace-fence", RELEASE, RELEASE, "src/core/observe.c",
                     "atomic_thread_fence(memory_order_release);\n    trace_store(words,"},
    [TRACE_HEAD] = {"trace-head", RELEASE, RELEASE, "src/core/observe.c",
                    "atomic_store_explicit(&trace->head, index + 1, memory_order_release)"},
    [TRACE_READ_HEAD] = {"trace-read-head", ACQUIRE, ACQUIRE, "src/core/trace_read.c",
                         "head = atomic_load_explicit(&trace->head, memory_order_acquire)"},
    [TRACE_READ_FENCE] = {"trace-read-fence", ACQUIRE, ACQUIRE, "src/core/trace_read.c",
                          "atomic_thread_fence(memory_order_acquire);\n        head ="},
    [PLACE_CLAIM] = {"claim", ACQUIRE, ACQUIRE, "src/core/observe.c",
                     "memory_order_acquire, memory_order_relaxed)"},
    [PLACE_FENCE] =
        {"place-fence", RELEASE, RELEASE, "src/core/observe.c",
         "atomic_thread_fence(memory_order_release);\n    atomic_store_explicit(&place"},
    [PLACE_WHOLE] = {"whole", RELEASE, RELEASE, "src/core/observe.c",
                     "(&place->state, 2 * index + 2, memory_order_release)"},
    [PLACE_READ] = {"place-read", ACQUIRE, ACQUIRE, "src/core/trace_read.c",
                    "before = atomic_load_explicit(&place->state, memory_order_acquire)"},
    [PLACE_READ_FENCE] = {"place-read-fence", ACQUIRE, ACQUIRE, "src/core/trace_read.c",
                          "atomic_thread_fence(memory_order_acquire);\n    uint64_t after ="},
    [PLACE_DROP] = {"drop", RELEASE, RELAXED, "src/core/observe.c",
                    "index + 1,\n                                                  "
                    "memory_order_release, memory_order_relaxed)"},
    [DROPPED_READ] = {"dropped", ACQUIRE, RELAXED, "src/core/trace_read.c",
                      "atomic_load_explicit(&place->dropped, memory_order_acquire)"},
    [NEXT_READ] = {"next", ACQUIRE, RELAXED, "src/core/trace_read.c",
                   "atomic_load_explicit(&trace->others_next, memory_order_acquire)"},
    [LABEL_FENCE] = {"label-fence", RELEASE, RELEASE, "src/core/trace.c",
                     "atomic_thread_fence(memory_order_release);\n    for"},
    [LABEL_VERSION] = {"label-version", RELEASE, RELEASE, "src/core/trace.c",
                       "(&label->version, version + 2, memory_order_release)"},
    [LABEL_READ] = {"label-read", ACQUIRE, ACQUIRE, "src/core/trace.c",
                    "before = atomic_load_explicit(&label->version, memory_order_acquire)"},
    [LABEL_READ_FENCE] = {"label-read-fence", ACQUIRE, ACQUIRE, "src/core/trace.c",
                          "atomic_thread_fence(memory_order_acquire);\n        after ="},
    [TRACE_COUNT] = {"trace-count", SEQ_CST, SEQ_CST, "src/core/observe.c",
                     "atomic_fetch_add(&loop->trace_senders, 1)"},
    [TRACE_LOOK] = {"trace-look", SEQ_CST, SEQ_CST, "src/core/observe.c",
                    "eddy_trace *trace = atomic_load(&loop->trace);\n    if"},
    [TRACE_UNCOUNT] = {"trace-uncount", SEQ_CST, RELEASE, "src/core/observe.c",
                       "atomic_fetch_sub(&loop->trace_senders, 1)"},
    [TRACE_TAKE] = {"trace-take", SEQ_CST, SEQ_CST, "src/core/observe.c",
                    "atomic_store(&loop->trace, trace)"},
    [TRACE_WAIT] = {"trace-wait", SEQ_CST, SEQ_CST, "src/core/observe.c",
                    "atomic_load(&loop->trace_senders) > 0"},
};

/* How many atomic operations a file has: a new one belongs into the model. Counted and not modelled
 * are those of a forked child, in which one thread is: the ends of wake.c and wakeup.c, and in
 * signal.c what stands between the handler and eddy_signal_init; and those of eddy_loop_walk, which
 * hand nothing over: the look at the inbox, an acquire as the take's is, and the flag of a worker
 * that has a push to make, set under the lock under which it is awaited (worker.c, pool.c). And of
 * a trace its words, which the model has as two, and the phase and the call that it is in, which
 * only tell. */
static const struct {
    const char *file;
    unsigned operations;
} files[] = {{"src/core/inbox.c", 5},  {"src/core/inbox.h", 6},   {"src/core/wakeup.c", 5},
             {"src/core/wake.c", 9},   {"src/core/signal.c", 25}, {"src/work/pool.c", 1},
             {"src/work/work.c", 0},   {"src/work/worker.c", 2},  {"src/core/observe.c", 38},
             {"src/core/trace.c", 16}, {"src/core/trace.h", 4},   {"src/core/trace_read.c", 9}};

const char *const change_names[CHANGES] = {
    [NONE] = "none",
    [WAKE_ALWAYS] = "wake-always",
    [WAKE_NEVER_FIRST] = "wake-never-first",
    [WAKE_BEFORE_PUSH] = "wake-before-push",
    [SLEEP_WITHOUT_MARKER] = "sleep-without-marker",
    [SLEEP_WITHOUT_LOOK] = "sleep-without-look",
    [MARKER_BY_STORE] = "marker-by-store",
    [MARKER_DOWN_BY_STORE] = "marker-down-by-store",
    [MARKER_DOWN_BY_EXCHANGE] = "marker-down-by-exchange",
    [SINGLE_FROM_MARKER] = "single-from-marker",
    [SINGLE_PAST_QUEUE] = "single-past-queue",
    [LINK_AFTER_PUSH] = "link-after-push",
    [CLOSE_WITHOUT_COUNT] = "close-without-count",
    [CLOSE_WHEN_EMPTY] = "close-when-empty",
    [READ_WHEN_TAKEN] = "read-when-taken",
    [READ_TOO_RARELY] = "read-too-rarely",
    [SMALLER_PIPE] = "smaller-pipe",
    [MARKER_STAYS] = "marker-stays",
    [READ_AFTER_LOOK] = "read-after-look",
    [CLEAR_AFTER_CALL] = "clear-after-call",
    [CLEAR_BY_STORE] = "clear-by-store",
    [STOP_WITHOUT_WITHDRAW] = "stop-without-withdraw",
    [STOP_BY_STORE] = "stop-by-store",
    [SEND_BY_STORE] = "send-by-store",
    [LOAD_FIRST] = "load-first",
    [LOAD_FIRST_CONSISTENT] = "load-first-consistent",
    [FENCE_AND_LOAD_FIRST] = "fence-and-load-first",
    [FENCES_AND_LOAD_FIRST] = "fences-and-load-first",
    [STOP_WITHOUT_WAIT] = "stop-without-wait",
    [WAIT_BEFORE_UNLINK] = "wait-before-unlink",
    [COUNT_AFTER_FIRST] = "count-after-first",
    [UNCOUNT_BEFORE_PUSH] = "uncount-before-push",
    [UNLINK_WITHOUT_LOCK] = "unlink-without-lock",
    [STATE_AFTER_UNLOCK] = "state-after-unlock",
    [STATE_AFTER_PUSH] = "state-after-push",
    [PUSH_BEFORE_STATE] = "push-before-state",
    [CANCEL_WITHOUT_LOCK] = "cancel-without-lock",
    [CANCEL_THE_RUNNING] = "cancel-the-running",
    [QUEUE_PUSH_AFTER_UNLOCK] = "queue-push-after-unlock",
    [QUEUE_PUSH_BEFORE_RELEASE] = "queue-push-before-release",
    [QUEUE_STAYS_WHILE_RUNNING] = "queue-stays-while-running",
    [QUEUE_WAKE_LEFT_OUT] = "queue-wake-left-out",
    [QUEUE_LOOP_AFTER_PUSH] = "queue-loop-after-push",
    [HEAD_BEFORE_WORDS] = "head-before-words",
    [READ_EVERY_PLACE] = "read-every-place",
    [READ_OWN_ONCE] = "read-own-once",
    [CLAIM_BY_STORE] = "claim-by-store",
    [CLAIM_THE_HELD] = "claim-the-held",
    [DROP_UNTOLD] = "drop-untold",
    [READ_PLACE_ONCE] = "read-place-once",
    [LABEL_ONE_VERSION] = "label-one-version",
    [LABEL_READ_ONCE] = "label-read-once",
    [COUNT_AFTER_LOOK] = "count-after-look",
    [STOP_UNAWAITED] = "stop-unawaited",
};

static const char *read_source(const char *root, const char *file) {
    static char text[1 << 16];
    char path[4096];
    text[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/%s", root, file);
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return text;
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    (void)fclose(stream);
    return text;
}

unsigned check_source(const char *root) {
    unsigned failures = 0;
    static const char *const operations[] = {"atomic_load",    "atomic_store", "atomic_exchange",
                                             "atomic_compare", "atomic_fetch", "atomic_thread"};
    for (unsigned i = 0; i < SITES; i++) {
        if (sites[i].file == NULL) continue;
        if (strstr(read_source(root, sites[i].file), sites[i].code) != NULL) continue;
        printf("NOT OK   %s has no \"%s\" any more\n", sites[i].file, sites[i].code);
        failures++;
    }
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *text = read_source(root, files[i].file);
        unsigned found = 0;
        for (unsigned j = 0; j < sizeof operations / sizeof operations[0]; j++)
            for (const char *at = text; (at = strstr(at, operations[j])) != NULL; at++) found++;
        if (found == files[i].operations && text[0] != '\0') continue;
        printf("NOT OK   %s has %u atomic operations, the model knows %u\n", files[i].file, found,
               files[i].operations);
        failures++;
    }
    return failures;
}

/* stalls.c: see stalls.h. A reader of stderr that has stalled keeps nobody: what it would have been
 * told is lost.
 * Threading: on_stalled is the watchdog's thread; `guards` does not change while that runs. */
#include "stalls.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

/* "eddy+0x1a2f eddy_loop_run+0x31", the latter where the file has symbols of it. */
static void place_format(char *text, size_t size, uintptr_t address) {
    Dl_info info;
    if (dladdr((void *)address, &info) == 0 || info.dli_fname == NULL) {
        snprintf(text, size, "0x%zx", (size_t)address);
        return;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    int used = snprintf(text, size, "%s+0x%zx", slash != NULL ? slash + 1 : info.dli_fname,
                        (size_t)(address - (uintptr_t)info.dli_fbase));
    if (info.dli_sname != NULL && used >= 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " %s+0x%zx", info.dli_sname,
                 (size_t)(address - (uintptr_t)info.dli_saddr));
}

static unsigned loop_number(const struct stalls *stalls, const eddy_loop *loop) {
    unsigned number = 0;
    while (number < stalls->count - 1 && stalls->guards[number].loop != loop) number++;
    return number + 1;
}

static void on_stalled(const eddy_stall *stall, void *context) {
    const struct stalls *stalls = context;
    char place[256];
    place_format(place, sizeof place, stall->function);
    system_say("loop %u %s %lld ms: %s%s%s, phase %d, function %s",
               loop_number(stalls, stall->loop),
               stall->is_over ? "goes on, it was stalled for" : "is stalled for",
               (long long)(stall->duration_ns / EDDY_NS_PER_MS), eddy_kind_name(stall->kind),
               stall->label[0] != '\0' ? " " : "", stall->label, stall->phase, place);
    for (int i = 0; i < stall->frame_count; i++) {
        place_format(place, sizeof place, (uintptr_t)stall->frames[i] - 1); /* in the call */
        system_say("    #%d %s", i, place);
    }
}

int stalls_open(struct stalls *stalls, unsigned budget_ms, unsigned loops) {
    eddy_watchdog_config config = {
        .budget_ns = budget_ms * EDDY_NS_PER_MS,
        .stalled = on_stalled,
        .context = stalls,
        .signal = SIGURG,
    };
    *stalls = (struct stalls){.room = loops};
    stalls->guards = calloc(loops, sizeof *stalls->guards);
    if (stalls->guards == NULL) return -ENOMEM;
    int err = eddy_watchdog_start(&stalls->watchdog, &config);
    if (err < 0) {
        free(stalls->guards);
        stalls->guards = NULL;
    }
    return err;
}

/* The place is written before anybody looks at it: no callback of the loop was called yet. */
eddy_guard *stalls_guard(struct stalls *stalls, eddy_loop *loop) {
    if (stalls->guards == NULL || stalls->count == stalls->room) return NULL;
    struct stall_guard *it = &stalls->guards[stalls->count++];
    it->loop = loop;
    return eddy_guard_start(&it->guard, &stalls->watchdog, loop) == 0 ? &it->guard : NULL;
}

void stalls_close(struct stalls *stalls) {
    if (stalls->guards == NULL) return;
    for (unsigned i = 0; i < stalls->count; i++) eddy_guard_stop(&stalls->guards[i].guard);
    (void)eddy_watchdog_stop(&stalls->watchdog); /* it guards none any more */
    free(stalls->guards);
    stalls->guards = NULL;
}

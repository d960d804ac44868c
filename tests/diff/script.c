/* script.c: one seeded script of operations and stimuli, to be run on every backend and in the
 * simulation. Prints what each thing was told, on a line of its own: script BACKEND FIRST COUNT
 * [edge]. run.sh compares. With "edge", edge-triggered and one-shot watchers are used as well,
 * which only some backends have. */
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 120 };

unsigned random_of(uint64_t *random, unsigned limit) {
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((*random >> 33) % limit);
}

void thing_begin(struct thing *thing, const char *kind, uint64_t seed) {
    thing->kind = kind;
    thing->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    thing->length = 0;
    thing->trace[0] = '\0';
}

void thing_note(struct thing *thing, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof thing->trace - (size_t)thing->length;
    int length = vsnprintf(thing->trace + thing->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) thing->length += (size_t)length < room ? length : (int)room - 1;
}

void script_fail(const char *what, int error) {
    char text[64];
    fprintf(stderr, "script: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    abort();
}

static void turn(struct script *script) {
    const char *broken = NULL;
    int result = eddy_loop_run(script->loop, EDDY_RUN_NOWAIT);
    if (result < 0) script_fail("a turn", result);
    if (eddy_loop_verify(script->loop, &broken) < 0) script_fail(broken, -1);
}

static void run_seed(const char *backend, uint64_t seed, unsigned capabilities) {
    struct script script = {.random = seed, .capabilities = capabilities};
    eddy_loop_config config = {.backend = backend, .wakeup = (eddy_wakeup_kind)(seed % 2)};
    world_begin(seed);
    int err = eddy_loop_open(&script.loop, &config);
    if (err < 0) script_fail("no loop", err);
    printf("seed %llu\n", (unsigned long long)seed);
    watchers_begin();
    calls_begin(&script);
    for (int i = 0; i < STEPS; i++) {
        watchers_act(&script);
        calls_act(&script);
        if (random_of(&script.random, 2) == 0) turn(&script);
    }
    watchers_end();
    calls_end();
    turn(&script);
    turn(&script);
    watchers_tell();
    calls_tell();
    streams_run(&script);
    pipes_run(&script);
    requests_run(&script);
    err = eddy_loop_close(script.loop);
    if (err < 0) script_fail("the loop does not close", err);
    world_end();
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: script BACKEND FIRST COUNT [edge]\n", stderr);
        return 2;
    }
    if (world_refuses(argv[1])) return 77;
    uint64_t first = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
    unsigned capabilities = argc > 4 ? EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_HANGUP : 0;
    for (uint64_t i = 0; i < count; i++) run_seed(argv[1], first + i, capabilities);
    return 0;
}

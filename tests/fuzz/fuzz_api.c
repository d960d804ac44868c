/* fuzz_api.c: everything public as a byte code, on the simulation.
 *
 * The first byte makes the weather, the second one seeds what the weather decides; the rest are the
 * choices of tests/sim/operations.c, which checks what comes of them: which object, which call,
 * which argument, inside which callback. */
#include "fuzz.h"
#include "programs.h"

enum {
    HEAD_BYTES = 2,
    STEPS_MAX = 20000, /* calls of the seam after which no further choice is made */
};

struct input {
    const uint8_t *data;
    size_t size, used;
};

/* One byte is one choice where that is enough, so that a change of a byte changes one thing. Behind
 * the end the seed goes on, as what is there has to come to its end. */
static unsigned below(void *context, unsigned limit) {
    struct input *input = context;
    uint64_t value = 0, reach = 1;
    sim_progress(); /* what goes on without a choice is a spin; choosing nothing is none */
    if (limit == 1) return 0;
    if (input->used == input->size) return sim_below(limit);
    while (reach < limit && input->used < input->size) {
        value = value << 8 | input->data[input->used++];
        reach <<= 8;
    }
    return (unsigned)(value % limit);
}

static bool are_over(void *context) {
    const struct input *input = context;
    return input->used == input->size || sim_steps() > STEPS_MAX;
}

static struct sim_weather read_weather(int byte) {
    int bits = byte - '0';
    struct sim_weather weather = sim_calm;
    if (bits & 1) weather.shorts = 3000;
    if (bits & 2) weather.window_bytes = 100;
    if (bits & 4) weather.held = weather.interrupts = weather.spurious = weather.stale = 1000;
    if (bits & 8) weather.faults = 100;
    if (bits & 16) weather.no_memory = 300;
    if (bits & 32) weather.switches = 2000;
    if (bits & 64) weather.latency_ns = weather.disk_ns = 2 * EDDY_NS_PER_MS;
    weather.tick_ns = bits & 128 ? 5 * EDDY_NS_PER_US : 100; /* or a busy loop stops the clock */
    return weather;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD_BYTES) return 0;
    struct sim_weather weather = read_weather(data[0]);
    struct input input = {data, size, HEAD_BYTES};
    const struct sim_choices choices = {below, are_over, &input, 0};
    sim_begin(data[1], &weather);
    sim_operations_run(&choices);
    sim_end();
    return 0;
}

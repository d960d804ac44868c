/* perfetto_random.c: writes what Perfetto reads of random records, for tests/perfetto.py. */
#include <eddy/trace_writer.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECORDS = 4000, BATCH = 16 };

static uint64_t state;

static uint64_t random_below(uint64_t bound) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (state >> 33) % bound;
}

static int write_out(void *context, const void *data, size_t size) {
    (void)context;
    return fwrite(data, 1, size, stdout) == size ? 0 : -5;
}

/* Bytes that are no text, cut anywhere. */
static size_t random_label(const void *context, uint64_t object, char *text, size_t size) {
    (void)context;
    size_t length = (size_t)(object * 7 % (size - 1));
    for (size_t i = 0; i < length; i++) text[i] = (char)(1 + (object * 31 + i * 97) % 255);
    text[length] = '\0';
    return length;
}

static void make_record(eddy_trace_record *record, uint64_t number, int64_t time_ns) {
    static const uint8_t threads[] = {0, 0, 0, 0, 1, 2, 3, 254, 255};
    static const int64_t arguments[] = {INT64_MIN, -104, -11, -1, 0, 1, 4096, INT64_MAX};
    *record = (eddy_trace_record){
        .number = number,
        .cause = random_below(2) ? random_below(number) : 0,
        .time_ns = time_ns,
        .object = random_below(3) ? 0x1000 + 64 * random_below(5000) : random_below(3),
        .argument = arguments[random_below(sizeof arguments / sizeof arguments[0])],
        .kind = (uint8_t)random_below(EDDY_TRACE_KINDS + 2),
        .what = (uint8_t)random_below(EDDY_KINDS + 2),
        .phase = (uint8_t)random_below(11),
        .thread = threads[random_below(sizeof threads)],
    };
}

int main(int argc, char **argv) {
    static eddy_trace_writer writer;
    static eddy_trace_source sources[3];
    int err = 0;
    int64_t time_ns = 1000;
    if (argc != 2) return 2;
    state = strtoull(argv[1], NULL, 10);
    eddy_trace_writer_init(&writer, "random \xff records", write_out, NULL);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"loop", "loop \xe2\x82\xac",
                                            "a name that is longer than 31 bytes"};
        eddy_trace_source_init(&sources[i], &writer, names[i]);
        sources[i].label = random_label;
    }
    sources[2].pool = &sources[1];
    for (uint64_t number = 1; number <= RECORDS && err == 0;) {
        eddy_trace_record records[BATCH];
        eddy_trace_source *source = &sources[random_below(3)];
        int count = (int)random_below(BATCH + 1);
        for (int i = 0; i < count; i++) {
            time_ns += (int64_t)random_below(1000);
            make_record(&records[i], number++, time_ns);
        }
        source->lost += random_below(20) == 0;
        err = eddy_trace_write_perfetto(source, records, count);
    }
    for (int i = 0; i < 3 && err == 0; i++) err = eddy_trace_end_perfetto(&sources[i]);
    return err == 0 && fflush(stdout) == 0 ? 0 : 1;
}

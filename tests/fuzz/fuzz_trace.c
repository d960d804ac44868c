/* fuzz_trace.c: any records, written in both forms. Lines have their columns and nothing that does
 * not show, packets the lengths that they say. tests/perfetto.py looks into them. */
#include "fuzz.h"

#include <eddy/trace_writer.h>

enum { RECORD_BYTES = 24 };

static size_t taken;
static bool is_text;
static char line[4096];
static size_t line_bytes;

static void check_line(void) {
    unsigned columns = 0;
    for (size_t i = 0; i < line_bytes; i++) {
        unsigned char c = (unsigned char)line[i];
        FUZZ_CHECK(c >= 0x20 && c != 0x7F);
        columns += c != ' ' && (i == 0 || line[i - 1] == ' ');
    }
    FUZZ_CHECK(line[0] == '#' || columns >= 6);
    FUZZ_CHECK(line[line_bytes - 1] != ' ');
    line_bytes = 0;
}

/* Whole packets: a tag, two bytes of length, which has no third. */
static void check_packets(const unsigned char *at, size_t size) {
    while (size > 0) {
        FUZZ_CHECK(size > 3 && at[0] == 0x0A && at[1] >= 0x80 && at[2] < 0x80);
        size_t length = 3 + (at[1] & 0x7FU) + ((size_t)at[2] << 7);
        FUZZ_CHECK(length <= size);
        at += length;
        size -= length;
    }
}

static int sink(void *context, const void *data, size_t size) {
    const char *text = data;
    (void)context;
    FUZZ_CHECK(size > 0 && size <= 4096);
    taken += size;
    if (!is_text) check_packets(data, size);
    for (size_t i = 0; is_text && i < size; i++) {
        FUZZ_CHECK(line_bytes < sizeof line);
        if (text[i] == '\n')
            check_line();
        else
            line[line_bytes++] = text[i];
    }
    FUZZ_CHECK(line_bytes == 0);
    return 0;
}

static size_t label_of(const void *context, uint64_t object, char *text, size_t size) {
    (void)context;
    size_t length = object % size;
    for (size_t i = 0; i < length; i++) text[i] = (char)(1 + (object >> i % 8 * 8 & 0xFF) % 255);
    text[length < size ? length : size - 1] = '\0';
    return length;
}

static uint64_t number_at(const uint8_t *data, unsigned bytes) {
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++) number = number << 8 | data[i];
    return number;
}

static eddy_trace_record record_of(const uint8_t *data, uint64_t number) {
    return (eddy_trace_record){
        .number = data[0] & 1 ? number : number_at(data + 4, 8),
        .cause = data[0] & 2 ? number - data[1] : data[1],
        .time_ns = (int64_t)number_at(data + 4, 8),
        .object = data[0] & 4 ? data[2] : number_at(data + 12, 4),
        .argument = data[0] & 8 ? (int8_t)data[3] : (int64_t)number_at(data + 12, 8),
        .kind = data[20],
        .what = data[21],
        .phase = data[22],
        .thread = data[23],
    };
}

static void write_all(const uint8_t *data, size_t size) {
    static eddy_trace_writer writer;
    static eddy_trace_source sources[2];
    eddy_trace_writer_init(&writer, "fuzz", sink, NULL);
    for (int i = 0; i < 2; i++) eddy_trace_source_init(&sources[i], &writer, "loop\xff\n");
    sources[0].label = label_of;
    sources[1].function = label_of;
    sources[1].pool = &sources[0];
    for (uint64_t number = 1; size >= RECORD_BYTES; number++) {
        eddy_trace_record record = record_of(data, number);
        eddy_trace_source *source = &sources[data[0] >> 7];
        source->lost += (uint64_t)(data[0] >> 4 & 1);
        FUZZ_CHECK(
            (is_text ? eddy_trace_write_text : eddy_trace_write_perfetto)(source, &record, 1) == 0);
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
    }
    for (int i = 0; !is_text && i < 2; i++) FUZZ_CHECK(eddy_trace_end_perfetto(&sources[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    taken = 0;
    is_text = true;
    write_all(data, size);
    FUZZ_CHECK((taken > 0) == (size >= RECORD_BYTES));
    is_text = false;
    write_all(data, size);
    return 0;
}

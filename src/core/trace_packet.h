/* trace_packet.h: Perfetto's packets as bytes: protocol buffers, and the numbers of their fields.
 * Threading: whoever has the writer. */
#ifndef EDDY_CORE_TRACE_PACKET_H
#define EDDY_CORE_TRACE_PACKET_H

#include "trace_writer.h"

/* The file's, and those of protos/perfetto/trace: trace_packet.proto, clock_snapshot.proto and of
 * track_event/ track_descriptor.proto, process_descriptor.proto, thread_descriptor.proto,
 * track_event.proto, debug_annotation.proto. */
enum {
    PACKET = 1, /* of the file */
    PACKET_CLOCKS = 6,
    PACKET_TIME = 8,
    PACKET_SEQUENCE = 10,
    PACKET_EVENT = 11,
    PACKET_FLAGS = 13, /* 1: what was said before does not count */
    PACKET_CLOCK = 58,
    PACKET_TRACK = 60,
    CLOCKS_CLOCK = 1,
    CLOCKS_PRIMARY = 2,
    CLOCK_ID = 1,
    CLOCK_TIME = 2,
    CLOCK_MONOTONIC_ID = 3,
    TRACK_ID = 1,
    TRACK_PROCESS = 3,
    TRACK_THREAD = 4,
    PROCESS_NUMBER = 1,
    PROCESS_NAME = 6,
    THREAD_PROCESS = 1,
    THREAD_NUMBER = 2,
    THREAD_NAME = 5,
    EVENT_NOTE = 4,
    EVENT_TYPE = 9,
    EVENT_TRACK = 11,
    EVENT_CATEGORY = 22,
    EVENT_NAME = 23,
    EVENT_FLOW = 47,
    NOTE_UNSIGNED = 3,
    NOTE_SIGNED = 4,
    NOTE_TEXT = 6,
    NOTE_POINTER = 7,
    NOTE_NAME = 10,
};

enum event_type { SLICE_BEGINS = 1, SLICE_ENDS = 2, INSTANT = 3 };

static inline void perfetto_varint(eddy_trace_writer *writer, uint64_t value) {
    for (; value >= 0x80; value >>= 7) trace_put_char(writer, (char)(value | 0x80));
    trace_put_char(writer, (char)value);
}

static inline void perfetto_number(eddy_trace_writer *writer, unsigned field, uint64_t value) {
    perfetto_varint(writer, field << 3);
    perfetto_varint(writer, value);
}

static inline void perfetto_fixed(eddy_trace_writer *writer, unsigned field, uint64_t value) {
    perfetto_varint(writer, field << 3 | 1);
    for (unsigned shift = 0; shift < 64; shift += 8) trace_put_char(writer, (char)(value >> shift));
}

/* A message or text whose length is not known yet: two bytes are left for it, which hold more than
 * TRACE_ITEM_MAX. Returns where it begins. */
static inline size_t perfetto_open(eddy_trace_writer *writer, unsigned field) {
    perfetto_varint(writer, field << 3 | 2);
    writer->used += 2;
    return writer->used;
}

static inline void perfetto_close(eddy_trace_writer *writer, size_t from) {
    size_t length = writer->used - from;
    writer->buffer[from - 2] = (char)(length | 0x80);
    writer->buffer[from - 1] = (char)(length >> 7);
}

static inline void perfetto_text(eddy_trace_writer *writer, unsigned field, const char *text) {
    size_t from = perfetto_open(writer, field);
    eddy__trace_put(writer, text);
    perfetto_close(writer, from);
}

static inline size_t perfetto_open_packet(eddy_trace_writer *writer) {
    size_t packet = perfetto_open(writer, PACKET);
    perfetto_number(writer, PACKET_SEQUENCE, 1);
    return packet;
}

#endif

#!/usr/bin/env python3
"""Reads a trace in Perfetto's form, strictly, and tells what is in it.

    perfetto.py FILE              says what is wrong, or how much of what there is
    perfetto.py --random PROGRAM  the same for what PROGRAM writes of random records
    import perfetto; perfetto.read(data) -> Trace

Written from protos/perfetto/trace of Perfetto's sources, without its code. Stricter than those who
read such files: a field that is not named here is an error, as is a type that the schema does not
give it; each slice ends, in the reverse order, on a track that was described before; times do not
go back within a track's slices; texts are UTF-8."""

import subprocess
import sys

VARINT, FIXED64, BYTES = 0, 1, 2

# message: {field: (wire type, name, message | "text" | None, may be repeated)}
SCHEMA = {
    "Trace": {1: (BYTES, "packet", "TracePacket", True)},
    "TracePacket": {
        6: (BYTES, "clock_snapshot", "ClockSnapshot", False),
        8: (VARINT, "timestamp", None, False),
        10: (VARINT, "trusted_packet_sequence_id", None, False),
        11: (BYTES, "track_event", "TrackEvent", False),
        13: (VARINT, "sequence_flags", None, False),
        58: (VARINT, "timestamp_clock_id", None, False),
        60: (BYTES, "track_descriptor", "TrackDescriptor", False),
    },
    "ClockSnapshot": {
        1: (BYTES, "clocks", "Clock", True),
        2: (VARINT, "primary_trace_clock", None, False),
    },
    "Clock": {1: (VARINT, "clock_id", None, False), 2: (VARINT, "timestamp", None, False)},
    "TrackDescriptor": {
        1: (VARINT, "uuid", None, False),
        3: (BYTES, "process", "ProcessDescriptor", False),
        4: (BYTES, "thread", "ThreadDescriptor", False),
    },
    "ProcessDescriptor": {
        1: (VARINT, "pid", None, False),
        6: (BYTES, "process_name", "text", False),
    },
    "ThreadDescriptor": {
        1: (VARINT, "pid", None, False),
        2: (VARINT, "tid", None, False),
        5: (BYTES, "thread_name", "text", False),
    },
    "TrackEvent": {
        4: (BYTES, "debug_annotations", "DebugAnnotation", True),
        9: (VARINT, "type", None, False),
        11: (VARINT, "track_uuid", None, False),
        22: (BYTES, "categories", "text", True),
        23: (BYTES, "name", "text", False),
        47: (FIXED64, "flow_ids", None, True),
    },
    "DebugAnnotation": {
        3: (VARINT, "uint_value", None, False),
        4: (VARINT, "int_value", None, False),
        6: (BYTES, "string_value", "text", False),
        7: (VARINT, "pointer_value", None, False),
        10: (BYTES, "name", "text", False),
    },
}
SLICE_BEGIN, SLICE_END, INSTANT = 1, 2, 3
MONOTONIC = 3


class Malformed(Exception):
    pass


def must(condition, what):
    if not condition:
        raise Malformed(what)


def varint(data, at):
    value = shift = 0
    while True:
        must(at < len(data) and shift < 70, "a varint has no end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            must(value < 1 << 64, "a varint of more than 64 bits")
            return value, at


def parse(data, message):
    fields, at, found = SCHEMA[message], 0, {}
    while at < len(data):
        key, at = varint(data, at)
        must(key >> 3 in fields, f"{message} has no field {key >> 3}")
        wire, name, kind, is_repeated = fields[key >> 3]
        must(key & 7 == wire, f"{message}.{name} is of type {key & 7}")
        if wire == VARINT:
            value, at = varint(data, at)
        elif wire == FIXED64:
            must(at + 8 <= len(data), f"{message}.{name} is cut")
            value, at = int.from_bytes(data[at : at + 8], "little"), at + 8
        else:
            length, at = varint(data, at)
            must(at + length <= len(data), f"{message}.{name} is cut")
            value, at = data[at : at + length], at + length
            try:
                value = value.decode() if kind == "text" else parse(value, kind)
            except UnicodeDecodeError as error:
                raise Malformed(f"{message}.{name}: {error}") from error
        if is_repeated:
            found.setdefault(name, []).append(value)
        else:
            must(name not in found, f"{message}.{name} is there twice")
            found[name] = value
    return found


class Slice:
    def __init__(self, track, event, begin_ns, depth):
        self.track, self.name, self.category = track, event["name"], event["categories"][0]
        self.notes, self.begin_ns, self.end_ns, self.depth = notes_of(event), begin_ns, None, depth
        self.flows = event.get("flow_ids", [])


def notes_of(event):
    notes = {}
    for note in event.get("debug_annotations", []):
        values = [value for key, value in note.items() if key != "name"]
        must(len(note) == 2 and "name" in note, "a note has a name and one value")
        must(note["name"] not in notes, f"two notes have the name {note['name']}")
        notes[note["name"]] = values[0]
    return notes


class Trace:
    def __init__(self):
        self.process = None
        self.tracks = {}  # name of the thread by uuid
        self.slices, self.instants = [], []
        self.flows = {}  # how many events have it
        self.open, self.last_ns = {}, {}

    def of(self, category):
        return [it for it in self.slices + self.instants if it.category == category]

    def describe(self, track):
        must(track["uuid"] not in self.tracks, "a track is described twice")
        must(("process" in track) != ("thread" in track), "a track is a process or a thread")
        if "process" in track:
            must(self.process is None and track["process"]["process_name"], "one process, with a name")
            self.process = track["process"]
            self.tracks[track["uuid"]] = None
            return
        thread = track["thread"]
        must(self.process is not None and thread["pid"] == self.process["pid"], "of our process")
        must(thread["thread_name"], "a thread has a name")
        must(thread["thread_name"] not in self.tracks.values(), f"two are {thread['thread_name']}")
        self.tracks[track["uuid"]] = thread["thread_name"]
        self.open[track["uuid"]] = []

    def take_flows(self, event):
        for flow in event.get("flow_ids", []):
            must(flow != 0, "a flow has a number")
            self.flows[flow] = self.flows.get(flow, 0) + 1

    def take(self, event, time_ns):
        track, kind = event["track_uuid"], event["type"]
        must(track in self.open, "the event's track is not described")
        stack = self.open[track]
        if kind == SLICE_END:
            must(stack, "a slice ends that has not begun")
            must(time_ns >= stack[-1].begin_ns, "a slice ends before it begins")
            must(set(event) <= {"type", "track_uuid", "debug_annotations", "flow_ids"}, "an end with a name")
            self.take_flows(event)
            stack[-1].flows += event.get("flow_ids", [])
            notes = notes_of(event)
            stack[-1].end_ns = time_ns
            stack[-1].end_notes = notes
            stack.pop()
            return
        must(kind in (SLICE_BEGIN, INSTANT), f"type {kind}")
        must(event["name"] and len(event["categories"]) == 1, "a name and a category")
        self.take_flows(event)
        it = Slice(self.tracks[track], event, time_ns, len(stack))
        if kind == INSTANT:
            self.instants.append(it)
            return
        must(not stack or time_ns >= stack[-1].begin_ns, "a slice begins before the one around it")
        stack.append(it)
        self.slices.append(it)


def read(data):
    trace = Trace()
    packets = parse(data, "Trace").get("packet", [])
    for number, packet in enumerate(packets):
        must(packet.pop("trusted_packet_sequence_id") == 1, "one sequence")
        flags = packet.pop("sequence_flags", 0)
        must(flags == (1 if number == 0 else 0), "the state is cleared once, at first")
        if number == 0:
            clock = packet.pop("clock_snapshot")
            must(clock["primary_trace_clock"] == MONOTONIC, "the clock is the monotonic one")
            must([it["clock_id"] for it in clock["clocks"]] == [MONOTONIC], "and is known")
        elif "track_descriptor" in packet:
            trace.describe(packet.pop("track_descriptor"))
        else:
            must(packet.pop("timestamp_clock_id") == MONOTONIC, "the clock of an event")
            trace.take(packet.pop("track_event"), packet.pop("timestamp"))
        must(not packet, f"a packet with {sorted(packet)}")
    for track, stack in trace.open.items():
        must(not stack, f"{len(stack)} slices of {trace.tracks[track]} do not end")
    return trace


def tell(data):
    trace = read(data)
    print(f"{len(data)} bytes, {len(trace.tracks) - 1} threads, {len(trace.slices)} slices, "
          f"{len(trace.instants)} instants, {len(trace.flows)} flows, "
          f"{sum(count > 1 for count in trace.flows.values())} of them with both ends")
    return trace


def main():
    if len(sys.argv) == 2:
        with open(sys.argv[1], "rb") as file:
            tell(file.read())
        return
    if len(sys.argv) != 3 or sys.argv[1] != "--random":
        sys.exit("usage: perfetto.py FILE | --random PROGRAM")
    for seed in range(1, 9):
        done = subprocess.run([sys.argv[2], str(seed)], stdout=subprocess.PIPE, check=True, timeout=60)
        trace = tell(done.stdout)
        must(trace.slices and trace.instants and trace.flows, "something is there")


if __name__ == "__main__":
    try:
        main()
    except Malformed as error:
        sys.exit(f"malformed: {error}")

/* show_source.h: lines of source that the page names. The build finds them (sources.py). */
#ifndef EDDY_CMD_SHOW_SOURCE_H
#define EDDY_CMD_SHOW_SOURCE_H

enum show_source {
    SOURCE_SLEEP,
    SOURCE_COMPUTE,
    SOURCE_PIECES,
    SOURCE_POOL,
    SOURCE_QUERY,
    SOURCE_READ,
    SOURCE_FILE,
    SOURCE_CHILD,
    SOURCE_IDLE,
    SOURCE_SLOW,
    SOURCE_FLOOD,
    SOURCE_DESCRIPTORS,
    SOURCE_WAIT,
    SOURCE_ACCEPT,
    SOURCE_ADD,
    SOURCE_RECV,
    SOURCE_SEND,
    SOURCE_WAKEUP,
    SOURCES
};

/* "src/net/stream_read.c:90" */
extern const char *const show_source_lines[SOURCES];

#endif

/* serve_options.h: what `eddy serve` can be told on its command line. */
#ifndef EDDY_CMD_SERVE_SERVE_OPTIONS_H
#define EDDY_CMD_SERVE_SERVE_OPTIONS_H

#include <eddy.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "access_line.h"
#include "policy_options.h"
#include "trace_request.h"

enum { HOSTS_MAX = 8, LOCALS_MAX = 8 };

struct options {
    const char *directory;
    const char *hosts[HOSTS_MAX]; /* addresses and names; at least one, or one of `locals` */
    unsigned host_count;
    const char *locals[LOCALS_MAX]; /* paths of local sockets, and "@NAME" */
    unsigned local_count;
    int local_mode;      /* permissions of those paths; -1: what the umask leaves */
    const char *backend; /* NULL: the best */
    unsigned port;       /* 0: the kernel picks one */
    bool names_port;     /* --host or --port was given */
    eddy_files_kind files;
    unsigned loops;
    unsigned pool_threads;
    unsigned connections_max; /* of all loops together; 0: as many as descriptors allow */
    unsigned timeout_s;
    bool log;
    enum access_format log_format;
    const char *log_file; /* NULL: stdout */
    bool trust_proxy;
    const char *user; /* NULL: whoever starts it */
    unsigned grace_s;
    unsigned stats_s;     /* from one line of figures to the next; 0: none */
    const char *metrics;  /* the path of the page for Prometheus; NULL: none */
    unsigned watchdog_ms; /* what a callback may take; 0: nobody looks */
    bool cache;
    bool quiet;
    bool help;
    struct trace_request trace;
    struct policy_options policy;
};

/* Fills `*options` from the arguments after "serve". Returns 0, or -EINVAL with one line in `error`
 * that says what is wrong and what would be right. The strings of `*options` point into `argv`. */
int options_parse(struct options *options, int argc, char **argv, char *error, size_t error_size);

/* local_address.c: the address of one of `locals`. Returns its length, or as eddy_address_of_name.
 */
int options_local_address(const char *local, struct sockaddr_storage *address);

/* Writes the help of `eddy serve`, made from the same table that the parser reads. */
void options_help(FILE *out);

#endif

/* policy_load.h: makes the policy of the command line: reads the files that it names.
 * Threading: none of its own; before the loops run. */
#ifndef EDDY_CMD_SERVE_POLICY_LOAD_H
#define EDDY_CMD_SERVE_POLICY_LOAD_H

#include "policy.h"
#include "policy_options.h"

/* A policy and the memory of its parts. */
struct made_policy {
    struct policy policy;
    struct mime_map types;
    char *type_bytes;
    char *fields[POLICY_FIELDS_MAX], *pages[POLICY_PAGES_MAX];
};

/* `root` is the directory that is served, in which error pages and the fallback lie. Returns 0, or
 * the program's exit status after a line on stderr: 2 for a file with wrong contents, else 1. In
 * both cases policy_unload() is due. */
int policy_load(struct made_policy *made, const struct policy_options *options, int root);
void policy_unload(struct made_policy *made);

#endif

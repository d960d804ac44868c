/* report_machines.c: the machines beside each other (report_page.h). Without state. */
#include "chart.h"
#include "json.h"
#include "report_page.h"

#include <string.h>

/* Members of machine.json, and what they are called on the page. */
static const char *const members[][2] = {
    {"processor", "processor"},
    {"processors", "processors"},
    {"processors_allowed", "of these allowed"},
    {"is_virtual", "a virtual machine"},
    {"caches", "caches"},
    {"memory", "memory"},
    {"system", "system"},
    {"kernel", "kernel"},
    {"architecture", "architecture"},
    {"kernel_command_line", "kernel's command line, what bears on time"},
    {"clock_source", "clock source"},
    {"governor", "governor"},
    {"intel_no_turbo", "turbo is off (Intel)"},
    {"boost", "boost"},
    {"smt", "SMT"},
    {"transparent_huge_pages", "transparent huge pages"},
    {"numa_nodes", "NUMA nodes"},
    {"cgroup_cpu_max", "limit of the cgroup"},
    {"limit_descriptors", "limit of descriptors"},
    {"load_at_end", "load at the end"},
    {"steal_percent", "time given to others by the host, %"},
    {"commit", "commit"},
    {"compiler", "compiler"},
    {"build_type", "type of build"},
    {"compiler_flags", "flags"},
    {"c_library", "C library"},
    {"backends", "backends"},
};

enum { MEMBERS = sizeof members / sizeof members[0], VALUE_BYTES = 1024 };

/* A text without its quotes; anything else as it stands in JSON. */
static void read_member(const struct report_source *source, const char *name, char *text) {
    const char *value;
    size_t length;
    snprintf(text, VALUE_BYTES, "-");
    if (source->machine == NULL ||
        !json_find(source->machine, source->machine_bytes, name, &value, &length) ||
        json_read_text(value, length, text, VALUE_BYTES) || strncmp(value, "null", length) == 0)
        return;
    snprintf(text, VALUE_BYTES, "%.*s", length < VALUE_BYTES ? (int)length : VALUE_BYTES - 1,
             value);
}

static void put_member(FILE *out, const struct report_source *sources, size_t count, int member) {
    char values[PANELS_RUNS_MAX][VALUE_BYTES];
    bool differs = false;
    for (size_t i = 0; i < count; i++) {
        read_member(&sources[i], members[member][0], values[i]);
        differs = differs || strcmp(values[i], values[0]) != 0;
    }
    fprintf(out, "<tr%s><th scope=\"row\">%s</th>", differs ? " class=\"differs\"" : "",
            members[member][1]);
    for (size_t i = 0; i < count; i++) {
        fputs("<td>", out);
        chart_put_text(out, values[i]);
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

static void put_whole(FILE *out, const struct report_source *source) {
    if (source->machine == NULL) return;
    fputs("<details><summary>machine.json", out);
    if (source->label != NULL) {
        fputs(" of ", out);
        chart_put_text(out, source->label);
    }
    fputs("</summary><pre>", out);
    for (size_t i = 0, next; i < source->machine_bytes; i = next + 1) {
        char line[VALUE_BYTES];
        const char *at = source->machine + i;
        const char *end = memchr(at, '\n', source->machine_bytes - i);
        size_t length = end != NULL ? (size_t)(end - at) : source->machine_bytes - i;
        next = i + length;
        snprintf(line, sizeof line, "%.*s", length < sizeof line ? (int)length : VALUE_BYTES - 1,
                 at);
        chart_put_text(out, line);
        fputc('\n', out);
    }
    fputs("</pre></details>\n", out);
}

void report_page_put_machines(FILE *out, const struct report_source *sources, size_t count) {
    fprintf(out, "<section>\n<h2>%s</h2>\n<div class=\"wide\"><table class=\"text\">\n",
            count > 1 ? "The machines" : "The machine");
    if (count > 1) {
        fputs("<thead><tr><th></th>", out);
        for (size_t i = 0; i < count; i++) {
            fputs("<th>", out);
            chart_put_text(out, sources[i].label);
            fputs("</th>", out);
        }
        fputs("</tr></thead>\n", out);
    }
    fputs("<tbody>\n", out);
    for (int i = 0; i < MEMBERS; i++) put_member(out, sources, count, i);
    fputs("</tbody></table></div>\n", out);
    for (size_t i = 0; i < count; i++) put_whole(out, &sources[i]);
    fputs("</section>\n", out);
}

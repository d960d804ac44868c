/* machine.c: see machine.h. What a system does not tell is null. Without state. */
#include "machine.h"
#include "bench.h"
#include "build_commit.h"
#include "build_facts.h"
#include "json.h"
#include "network.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MACHINE_BYTES = 64 * 1024, TEXT_BYTES = 1024, NAMES_MAX = 64 };

/* --- Members --- */

static void put_text(struct json *json, const char *name, const char *text) {
    json_add(json, ",\n  \"%s\": ", name);
    json_add_text(json, text);
}

static void put_number(struct json *json, const char *name, int64_t number) {
    if (number < 0)
        json_add(json, ",\n  \"%s\": null", name);
    else
        json_add(json, ",\n  \"%s\": %lld", name, (long long)number);
}

/* The first line of a file, with no spaces at its end, and none but " " in it. */
static bool read_line(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    bool is_there = fgets(text, (int)size, file) != NULL;
    fclose(file);
    if (!is_there) return false;
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) text[--length] = '\0';
    for (char *at = text; (at = strchr(at, '\t')) != NULL;) *at = ' ';
    return true;
}

static void put_file(struct json *json, const char *name, const char *path) {
    char text[TEXT_BYTES];
    put_text(json, name, read_line(path, text, sizeof text) ? text : NULL);
}

/* "NAME: value" of a file with many such lines; the names of cpuinfo have tabs behind them. */
static bool read_named(const char *path, const char *name, char *text, size_t size) {
    char line[TEXT_BYTES];
    size_t length = strlen(name);
    FILE *file = fopen(path, "re");
    bool is_there = false;
    while (file != NULL && !is_there && fgets(line, sizeof line, file) != NULL) {
        const char *value = line + length;
        if (strncmp(line, name, length) != 0) continue;
        value += strspn(value, " \t");
        if (*value != ':') continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
        is_there = true;
    }
    if (file != NULL) fclose(file);
    return is_there;
}

static void put_named(struct json *json, const char *name, const char *path, const char *key) {
    char text[TEXT_BYTES];
    put_text(json, name, read_named(path, key, text, sizeof text) ? text : NULL);
}

/* --- The kernel --- */

/* What has a bearing on time. Other words may name disks, hosts and addresses. */
static const char *const told_words[] = {
    "amd_pstate",
    "audit",
    "clocksource",
    "cpufreq",
    "cpuidle",
    "default_hugepagesz",
    "gather_data_sampling",
    "haltpoll",
    "hugepages",
    "hugepagesz",
    "idle",
    "init_on_alloc",
    "init_on_free",
    "intel_idle",
    "intel_pstate",
    "irqaffinity",
    "isolcpus",
    "kpti",
    "l1tf",
    "maxcpus",
    "mds",
    "mitigations",
    "nohz",
    "nohz_full",
    "nopti",
    "nosmt",
    "nospectre_v1",
    "nospectre_v2",
    "nr_cpus",
    "numa",
    "numa_balancing",
    "preempt",
    "processor",
    "pti",
    "randomize_kstack_offset",
    "rcu_nocbs",
    "retbleed",
    "skew_tick",
    "spec_rstack_overflow",
    "spec_store_bypass_disable",
    "spectre_v2",
    "threadirqs",
    "transparent_hugepage",
    "tsc",
};

/* "processor.max_cstate=1" is told because of "processor". */
static bool is_told(const char *word) {
    size_t length = strcspn(word, "=.");
    for (size_t i = 0; i < sizeof told_words / sizeof told_words[0]; i++)
        if (strlen(told_words[i]) == length && memcmp(told_words[i], word, length) == 0)
            return strchr(word, '/') == NULL;
    return false;
}

static void put_command_line(struct json *json) {
    char line[4096], *rest = NULL;
    int left_out = 0, told = 0;
    if (!read_line("/proc/cmdline", line, sizeof line)) {
        put_text(json, "kernel_command_line", NULL);
        return;
    }
    json_add(json, ",\n  \"kernel_command_line\": [");
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (!is_told(word)) {
            left_out++;
            continue;
        }
        json_add(json, told++ > 0 ? ", " : "");
        json_add_text(json, word);
    }
    json_add(json, "]");
    put_number(json, "kernel_command_line_words_left_out", left_out);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each file of a directory with its first line, in the order of their names. */
static void put_directory(struct json *json, const char *name, const char *path) {
    char *names[NAMES_MAX], text[TEXT_BYTES], file[512];
    size_t count = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        put_text(json, name, NULL);
        return;
    }
    for (struct dirent *it; count < NAMES_MAX && (it = readdir(directory)) != NULL;)
        if (it->d_name[0] != '.' && (names[count] = strdup(it->d_name)) != NULL) count++;
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    json_add(json, ",\n  \"%s\": {", name);
    for (size_t i = 0; i < count; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        json_add(json, i == 0 ? "\n    " : ",\n    ");
        json_add_text(json, names[i]);
        json_add(json, ": ");
        json_add_text(json, read_line(file, text, sizeof text) ? text : NULL);
        free(names[i]);
    }
    json_add(json, "}");
}

static void put_kernel(struct json *json) {
    struct utsname system;
    uname(&system);
    put_text(json, "system", system.sysname);
    put_text(json, "kernel", system.release);
    put_text(json, "kernel_build", system.version);
    put_text(json, "architecture", system.machine);
    put_command_line(json);
    put_directory(json, "mitigations", "/sys/devices/system/cpu/vulnerabilities");
    put_file(json, "clock_source",
             "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    put_file(json, "preemption", "/sys/kernel/debug/sched/preempt");
    put_file(json, "transparent_huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
    put_file(json, "transparent_huge_pages_defrag", "/sys/kernel/mm/transparent_hugepage/defrag");
}

/* --- The processor --- */

/* Processors of x86 have a flag for it, and others none. */
static const char *is_virtual(void) {
    char line[8192];
    const char *told = "null";
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && told[0] == 'n' && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "flags", 5) == 0)
            told = strstr(line, " hypervisor") != NULL ? "true" : "false";
    if (file != NULL) fclose(file);
    return told;
}

static void put_caches(struct json *json) {
    char path[128], level[16], type[32], size[32];
    json_add(json, ",\n  \"caches\": [");
    for (int i = 0, told = 0; i < 8; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!read_line(path, level, sizeof level)) break;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        if (!read_line(path, type, sizeof type)) break;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        if (!read_line(path, size, sizeof size)) break;
        json_add(json, told++ > 0 ? ", " : "");
        snprintf(path, sizeof path, "L%s %s %s", level, type, size);
        json_add_text(json, path);
    }
    json_add(json, "]");
}

static void put_processor(struct json *json) {
    static const char cpus[] = "/sys/devices/system/cpu";
    char path[128];
    put_named(json, "processor", "/proc/cpuinfo", "model name");
    put_number(json, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    put_named(json, "processors_allowed", "/proc/self/status", "Cpus_allowed_list");
    put_named(json, "microcode", "/proc/cpuinfo", "microcode");
    json_add(json, ",\n  \"is_virtual\": %s", is_virtual());
    put_caches(json);
    snprintf(path, sizeof path, "%s/cpu0/cpufreq/scaling_governor", cpus);
    put_file(json, "governor", path);
    snprintf(path, sizeof path, "%s/cpu0/cpufreq/scaling_driver", cpus);
    put_file(json, "frequency_driver", path);
    snprintf(path, sizeof path, "%s/intel_pstate/no_turbo", cpus);
    put_file(json, "intel_no_turbo", path);
    snprintf(path, sizeof path, "%s/cpufreq/boost", cpus);
    put_file(json, "boost", path);
    snprintf(path, sizeof path, "%s/smt/control", cpus);
    put_file(json, "smt", path);
    put_file(json, "numa_nodes", "/sys/devices/system/node/online");
    put_named(json, "memory", "/proc/meminfo", "MemTotal");
    put_named(json, "swap", "/proc/meminfo", "SwapTotal");
}

/* --- Limits --- */

static void put_limit(struct json *json, const char *name, int err, const struct rlimit *limit) {
    if (err < 0 || limit->rlim_cur == RLIM_INFINITY)
        put_text(json, name, NULL);
    else
        put_number(json, name, (int64_t)limit->rlim_cur);
}

static void put_limits(struct json *json) {
    struct rlimit limit;
    put_limit(json, "limit_descriptors", getrlimit(RLIMIT_NOFILE, &limit), &limit);
    put_limit(json, "limit_stack_bytes", getrlimit(RLIMIT_STACK, &limit), &limit);
#ifdef RLIMIT_AS
    put_limit(json, "limit_address_space_bytes", getrlimit(RLIMIT_AS, &limit), &limit);
#else
    put_text(json, "limit_address_space_bytes", NULL);
#endif
    put_text(json, "network", bench_network_text());
    put_file(json, "cgroup_cpu_max", "/sys/fs/cgroup/cpu.max");
    put_file(json, "net_core_somaxconn", "/proc/sys/net/core/somaxconn");
    put_file(json, "net_ipv4_tcp_mem", "/proc/sys/net/ipv4/tcp_mem");
    put_file(json, "net_ipv4_tcp_rmem", "/proc/sys/net/ipv4/tcp_rmem");
    put_file(json, "net_ipv4_tcp_wmem", "/proc/sys/net/ipv4/tcp_wmem");
    put_file(json, "kernel_perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid");
}

/* --- The build --- */

static void put_build(struct json *json) {
    put_text(json, "eddy", eddy_version());
    put_text(json, "commit", BUILD_COMMIT[0] != '\0' ? BUILD_COMMIT : NULL);
    put_text(json, "compiler", BUILD_COMPILER);
    put_text(json, "build_type", BUILD_TYPE);
    put_text(json, "compiler_flags", BUILD_FLAGS);
    char text[128] = "";
#ifdef _CS_GNU_LIBC_VERSION
    if (confstr(_CS_GNU_LIBC_VERSION, text, sizeof text) == 0) text[0] = '\0';
#endif
    put_text(json, "c_library", text[0] != '\0' ? text : NULL);
    eddy_backend_info backend;
    json_add(json, ",\n  \"backends\": [");
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++) {
        json_add(json, i > 0 ? ", " : "");
        json_add_text(json, backend.name);
    }
    json_add(json, "]");
}

/* --- While it runs --- */

void machine_read_ticks(struct machine_ticks *ticks) {
    char line[512];
    *ticks = (struct machine_ticks){-1, -1};
    if (!read_line("/proc/stat", line, sizeof line) || strncmp(line, "cpu ", 4) != 0) return;
    int64_t all = 0;
    char *at = line + 4;
    for (int i = 0; i < 8; i++) { /* the rest is in the first two already */
        char *end;
        int64_t value = strtoll(at, &end, 10);
        if (end == at) return;
        all += value;
        if (i == 7) *ticks = (struct machine_ticks){all, value};
        at = end;
    }
}

static void put_load(struct json *json, const struct machine_ticks *before, bool is_over) {
    struct machine_ticks now;
    put_file(json, is_over ? "load_at_end" : "load_at_begin", "/proc/loadavg");
    if (!is_over) return;
    machine_read_ticks(&now);
    if (before->stolen < 0 || now.stolen < before->stolen || now.all <= before->all) {
        put_text(json, "steal_percent", NULL);
        return;
    }
    double share = (double)(now.stolen - before->stolen) / (double)(now.all - before->all);
    json_add(json, ",\n  \"steal_percent\": %.2f", share * 100);
}

int machine_write(FILE *out, const struct machine_ticks *before, bool is_over) {
    static char text[MACHINE_BYTES];
    struct json json;
    json_begin(&json, text, sizeof text);
    json_add(&json, "{\n  \"format\": 1");
    put_build(&json);
    put_kernel(&json);
    put_processor(&json);
    put_limits(&json);
    put_load(&json, before, is_over);
    json_add(&json, "\n}\n");
    if (json.is_cut) return -ENOBUFS;
    return fputs(text, out) < 0 ? -EIO : 0;
}

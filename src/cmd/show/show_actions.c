/* show_actions.c: see show_actions.h. */
#include "show_actions.h"

#include "command_line.h"

#include <string.h>

enum { VALUE_BYTES = 64, MODEL_CLIENTS_MAX = 1000 };

struct form {
    const char *text;
    size_t length;
};

/* --- The form --- */

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool decode(const char *from, const char *end, char *text, size_t size) {
    size_t used = 0;
    for (; from < end; from++) {
        char c = *from == '+' ? ' ' : *from;
        if (c == '%') {
            int high = end - from > 2 ? digit(from[1]) : -1;
            int low = high >= 0 ? digit(from[2]) : -1;
            if (low < 0) return false;
            c = (char)(high * 16 + low);
            from += 2;
        }
        if (c == '\0' || used + 1 == size) return false;
        text[used++] = c;
    }
    text[used] = '\0';
    return true;
}

bool show_form_value(const char *form, size_t length, const char *name, char *text, size_t size) {
    const char *end = form + length;
    size_t name_length = strlen(name);
    while (form < end) {
        const char *stop = memchr(form, '&', (size_t)(end - form));
        if (stop == NULL) stop = end;
        if ((size_t)(stop - form) > name_length && form[name_length] == '=' &&
            memcmp(form, name, name_length) == 0)
            return decode(form + name_length + 1, stop, text, size);
        form = stop + 1;
    }
    return false;
}

static bool number(const struct form *form, const char *name, unsigned max, unsigned *value) {
    char text[VALUE_BYTES];
    return show_form_value(form->text, form->length, name, text, sizeof text) &&
           command_line_number(text, 0, max, value);
}

/* --- The actions --- */

static const char *do_load(struct show_controls *controls, const struct form *form) {
    unsigned clients, rate, open = 0;
    if (!number(form, "clients", LOAD_CLIENTS_MAX, &clients)) return "clients: 0 to 2000";
    if (!number(form, "rate", LOAD_RATE_MAX, &rate)) return "rate: 0 to 200000";
    if (!number(form, "open", 1, &open)) return "open: 0 or 1";
    if (open == 1 && rate == 0) return "an open loop wants a rate";
    struct show_load_settings settings = {.clients = clients, .rate = rate, .is_open = open == 1};
    show_load_set(controls->load, &settings);
    return NULL;
}

static const char *do_scene(struct show_controls *controls, const struct form *form) {
    char id[VALUE_BYTES];
    unsigned on, count = 1000;
    if (!show_form_value(form->text, form->length, "id", id, sizeof id)) return "id is missing";
    enum show_scene scene = show_scene_find(id);
    if (scene == SHOW_SCENES) return "id: no such scene";
    if (!number(form, "on", 1, &on)) return "on: 0 or 1";
    char text[VALUE_BYTES];
    if (show_form_value(form->text, form->length, "n", text, sizeof text) &&
        !command_line_number(text, 1, OTHERS_IDLE_MAX, &count))
        return "n: 1 to 5000";
    if (scene >= SHOW_IDLE_CLIENTS) {
        show_load_scene(controls->load, scene, on == 1, count);
        return NULL;
    }
    struct show_action action = {.kind = ACTION_SCENE, .scene = scene, .on = on == 1};
    return show_observed_do(controls->observed, &action) < 0 ? "too many actions wait" : NULL;
}

static const char *do_backend(struct show_controls *controls, const struct form *form) {
    char name[VALUE_BYTES];
    eddy_backend_info info;
    if (!show_form_value(form->text, form->length, "name", name, sizeof name))
        return "name is missing";
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++) {
        if (strcmp(info.name, name) != 0) continue;
        struct show_action action = {.kind = ACTION_BACKEND, .backend = info.name};
        return show_observed_do(controls->observed, &action) < 0 ? "too many actions wait" : NULL;
    }
    return "name: no such backend";
}

static const char *do_pool(struct show_controls *controls, const struct form *form) {
    unsigned threads;
    if (!number(form, "threads", OBSERVED_POOL_MAX, &threads) || threads == 0)
        return "threads: 1 to 64";
    struct show_action action = {.kind = ACTION_POOL, .threads = threads};
    return show_observed_do(controls->observed, &action) < 0 ? "too many actions wait" : NULL;
}

static const char *do_record(struct show_controls *controls, const struct form *form) {
    unsigned on;
    if (!number(form, "on", 1, &on)) return "on: 0 or 1";
    controls->is_recording = on == 1;
    show_records_set(controls->records, on == 1 || controls->is_holding);
    return NULL;
}

static const char *do_hold(struct show_controls *controls, const struct form *form) {
    unsigned on;
    if (!number(form, "on", 1, &on)) return "on: 0 or 1";
    controls->is_holding = on == 1;
    (void)show_watch_hold(&controls->observed->watch, on == 1 ? HOLD_SOON : HOLD_NONE);
    show_records_set(controls->records, on == 1 || controls->is_recording);
    return NULL;
}

static const char *do_step(struct show_controls *controls, const struct form *form) {
    static const char *const steps[] = {"call", "phase", "turn"};
    char what[VALUE_BYTES];
    if (!show_form_value(form->text, form->length, "what", what, sizeof what))
        return "what is missing";
    for (int i = 0; i < 3; i++) {
        if (strcmp(what, steps[i]) != 0) continue;
        int err = show_watch_hold(&controls->observed->watch, (enum show_hold)(HOLD_CALL + i));
        return err < 0 ? "it is not held" : NULL;
    }
    return "what: call, phase or turn";
}

static const char *do_models(struct show_controls *controls, const struct form *form) {
    unsigned on, clients = 100;
    char text[VALUE_BYTES];
    if (!number(form, "on", 1, &on)) return "on: 0 or 1";
    if (show_form_value(form->text, form->length, "clients", text, sizeof text) &&
        !command_line_number(text, 1, MODEL_CLIENTS_MAX, &clients))
        return "clients: 1 to 1000";
    int err = show_measure_models(controls->measure, on == 1, clients);
    return err == -EALREADY ? "they are being measured"
           : err < 0        ? "no process can be started"
                            : NULL;
}

const char *show_do(struct show_controls *controls, const char *text, size_t length) {
    static const struct {
        const char *name;
        const char *(*run)(struct show_controls *controls, const struct form *form);
    } actions[] = {
        {"load", do_load},     {"scene", do_scene}, {"backend", do_backend}, {"pool", do_pool},
        {"record", do_record}, {"hold", do_hold},   {"step", do_step},       {"models", do_models},
    };
    struct form form = {text, length};
    char action[VALUE_BYTES];
    if (!show_form_value(text, length, "action", action, sizeof action)) return "action is missing";
    const char *why = "no such action";
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, action) == 0) why = actions[i].run(controls, &form);
    return why;
}

void show_controls_leave(struct show_controls *controls) {
    controls->is_recording = controls->is_holding = false;
    show_records_set(controls->records, false);
    (void)show_watch_hold(&controls->observed->watch, HOLD_NONE);
}

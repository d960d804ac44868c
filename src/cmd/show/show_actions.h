/* show_actions.h: what a visitor may ask for (POST /do). Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_ACTIONS_H
#define EDDY_CMD_SHOW_ACTIONS_H

#include "show_load.h"
#include "show_measure.h"
#include "show_observed.h"
#include "show_records.h"

struct show_controls {
    struct show_observed *observed;
    struct show_load *load;
    struct show_records *records;
    struct show_measure *measure;
    bool is_recording, is_holding;
};

/* The value of `name=value` in a form (application/x-www-form-urlencoded), decoded, in `text`.
 * False: there is none, or it does not fit. */
bool show_form_value(const char *form, size_t length, const char *name, char *text, size_t size);

/* Does what the form asks for. NULL, or why not: one line. */
const char *show_do(struct show_controls *controls, const char *form, size_t length);

/* Nobody looks any more: what is held goes on, and nothing is recorded. */
void show_controls_leave(struct show_controls *controls);

#endif

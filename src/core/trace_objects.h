/* trace_objects.h: numbers for the objects of a written trace, in the order of appearance. */
#ifndef EDDY_CORE_TRACE_OBJECTS_H
#define EDDY_CORE_TRACE_OBJECTS_H

#include <eddy/trace_writer.h>

void eddy__trace_objects_init(eddy_trace_writer *writer);

/* The object's number. One that has ended is another from here on, but if `is_late`: then what is
 * told of it was before its end. */
uint32_t eddy__trace_number_of(eddy_trace_writer *writer, unsigned kind, uint64_t address,
                               bool is_late);

/* What comes next of that address is another object. Nothing if it has no number. */
void eddy__trace_object_ends(eddy_trace_writer *writer, unsigned kind, uint64_t address);

#endif

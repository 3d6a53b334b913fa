/*
 * The functions behind the rows of template_natives.def, as their files and the tables see them.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_NATIVES_H
#define SLUICE_PROMPT_TEMPLATE_NATIVES_H

#include "gateway/prompt/template_native.h"

#define FILTER(name, function, ...)       native_fn function;
#define FILTER_RAW(name, function)        native_raw_fn function;
#define TEST(name, function, ...)         native_fn function;
#define GLOBAL(name, function, ...)       native_fn function;
#define GLOBAL_RAW(name, function)        native_raw_fn function;
#define METHOD(name, kind, function, ...) native_fn function;
#define METHOD_RAW(name, kind, function)  native_raw_fn function;
#include "gateway/prompt/template_natives.def"

#endif

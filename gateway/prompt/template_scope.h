/*
 * Names become places: which variable a name means is decided when a template is compiled, by
 * Jinja2's own rules (jinja2/idtracking.py), so that a run looks nothing up twice.
 */
#ifndef SLUICE_PROMPT_TEMPLATE_SCOPE_H
#define SLUICE_PROMPT_TEMPLATE_SCOPE_H

#include "gateway/prompt/template_tree.h"

/* Fills in slots, hops, scopes and functions of the tree at template->root. False, and a line in
 * `errors`, when a name means nothing allowed. */
bool template_scope(struct template *template, struct buf *errors) MUST_USE;

#endif

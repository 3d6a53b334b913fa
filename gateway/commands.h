/*
 * Subcommands with files of their own. Each gets its arguments, ended by NULL, and returns the exit
 * status.
 */
#ifndef SLUICE_COMMANDS_H
#define SLUICE_COMMANDS_H

int command_tokenize(char **arguments);
int command_render(char **arguments);
int command_blocks(char **arguments);
int command_explain(char **arguments);

/* `sluice render --tokenizer FOLDER`: requests in, text and ids out. */
int command_render_requests(const char *folder);

#endif

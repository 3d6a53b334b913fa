/*
 * Subcommands with files of their own. Each gets its arguments, ended by NULL, and returns the exit
 * status.
 */
#ifndef SLUICE_COMMANDS_H
#define SLUICE_COMMANDS_H

int command_tokenize(char **arguments);
int command_render(char **arguments);

#endif

/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_ONLY_H
#define DB_ONLY_H 1

/* The agent as a general OVSDB server: any databases, no policy, with
 * ovsdb-server's options, commands and messages.  So whatever drives or tests
 * an ovsdb-server can be pointed at the code that serves the policy. */

/* Runs until told to exit.  'argv' is the program's, with "--db-only" as its
 * first argument.  Returns the exit status. */
int db_only_main(int argc, char *argv[]);

#endif /* db/db-only.h */

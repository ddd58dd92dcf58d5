/*
 * `carrack install` and `carrack uninstall`: a rack on this machine, made of Swarm services and one
 * container. Both can be run again at any time: what is right is left alone, what is missing or
 * half-made is put right. Arguments come after the verb, NULL-terminated; each returns the exit
 * status.
 */
#pragma once

int
install_verb(int argc, char **argv);

int
uninstall_verb(int argc, char **argv);

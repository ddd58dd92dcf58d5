/*
 * Folders that tests make.
 */
#pragma once

/* Removes a folder with all that is in it; links are not followed. Nothing happens when it is not
 * there. */
void
folder_remove(const char *path);

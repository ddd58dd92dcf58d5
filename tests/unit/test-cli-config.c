/*
 * Unit tests of cli/config, with a real folder of its own for each.
 */
#include "base/error.h"
#include "cli/config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *parent;
	char *folder; /* does not exist yet */
	char *file;
} Place;

static void
set_up(Place *place, gconstpointer data)
{
	place->parent = g_dir_make_tmp("test-config-XXXXXX", NULL);
	place->folder = g_build_filename(place->parent, "deep", "carrack", NULL);
	place->file = g_build_filename(place->folder, "config.json", NULL);
	g_setenv("CARRACK_CONFIG", place->folder, TRUE);
}

static void
tear_down(Place *place, gconstpointer data)
{
	g_autofree char *deep = g_build_filename(place->parent, "deep", NULL);

	g_unlink(place->file);
	g_rmdir(place->folder);
	g_rmdir(deep);
	g_assert_cmpint(g_rmdir(place->parent), ==, 0);
	g_free(place->parent);
	g_free(place->folder);
	g_free(place->file);
}

static Config *
load(void)
{
	g_autoptr(GError) error = NULL;
	Config *config = config_load(&error);
	g_assert_no_error(error);
	return config;
}

static void
save(const Config *config)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(config_save(config, &error));
	g_assert_no_error(error);
}

static void
write_file(const Place *place, const char *text)
{
	g_assert_cmpint(g_mkdir_with_parents(place->folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents(place->file, text, -1, NULL));
}

static unsigned
mode_of(const char *path)
{
	struct stat status;
	g_assert_cmpint(stat(path, &status), ==, 0);
	return status.st_mode & 0777;
}

static void
add_rack(Config *config, const char *name)
{
	g_autofree char *url = g_strdup_printf("http://convox:pw@%s:5443", name);
	const ConfigRack rack = {.name = name, .url = url};
	config_set_rack(config, &rack);
}

static void
there_need_be_no_file(Place *place, gconstpointer data)
{
	g_autoptr(Config) config = load();
	g_autofree const char **names = config_names(config);

	g_assert_null(config_current(config));
	g_assert_null(names[0]);
}

static void
passwords_are_for_their_owner_alone(Place *place, gconstpointer data)
{
	g_autoptr(Config) config = load();

	add_rack(config, "local");
	save(config);
	g_assert_cmpuint(mode_of(place->folder), ==, 0700);
	g_assert_cmpuint(mode_of(place->file), ==, 0600);

	g_assert_cmpint(g_chmod(place->file, 0644), ==, 0);
	save(config);
	g_assert_cmpuint(mode_of(place->file), ==, 0600);
}

static void
what_is_saved_is_loaded(Place *place, gconstpointer data)
{
	g_autoptr(Config) config = load();
	const ConfigRack rack = {.name = "local",
	    .url = "http://convox:pw@127.0.0.1:5443",
	    .socket = "/run/carrack/api.sock",
	    .ca = "/etc/ca.pem",
	    .insecure = true};
	config_set_rack(config, &rack);
	g_assert_true(config_set_current(config, "local"));
	save(config);

	g_autoptr(Config) again = load();
	ConfigRack found;
	g_assert_cmpstr(config_current(again), ==, "local");
	g_assert_true(config_rack(again, "local", &found));
	g_assert_cmpstr(found.name, ==, "local");
	g_assert_cmpstr(found.url, ==, "http://convox:pw@127.0.0.1:5443");
	g_assert_cmpstr(found.socket, ==, "/run/carrack/api.sock");
	g_assert_cmpstr(found.ca, ==, "/etc/ca.pem");
	g_assert_true(found.insecure);
}

static void
unknown_members_are_kept(Place *place, gconstpointer data)
{
	write_file(
	    place, "{\"future\": 1, \"racks\": {\"a\": {\"url\": \"http://a\", \"note\": 2}}}");
	g_autoptr(Config) config = load();
	add_rack(config, "a");
	save(config);

	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(place->file, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "\"future\": 1"));
	g_assert_nonnull(strstr(text, "\"note\": 2"));
}

static void
a_rack_is_found_by_a_part_of_its_name(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Config) config = load();
	ConfigRack rack;
	add_rack(config, "acme/production");
	add_rack(config, "acme/staging");
	add_rack(config, "local");

	g_assert_true(config_find(config, "prod", &rack, &error));
	g_assert_cmpstr(rack.name, ==, "acme/production");
	g_assert_true(config_find(config, "local", &rack, &error));
	g_assert_cmpstr(rack.name, ==, "local");
}

static void
an_exact_name_goes_before_parts(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Config) config = load();
	ConfigRack rack;
	add_rack(config, "prod");
	add_rack(config, "prod-eu");

	g_assert_true(config_find(config, "prod", &rack, &error));
	g_assert_cmpstr(rack.name, ==, "prod");
}

static void
an_ambiguous_name_lists_its_matches(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Config) config = load();
	ConfigRack rack;
	add_rack(config, "acme/production");
	add_rack(config, "acme/staging");
	add_rack(config, "local");

	g_assert_false(config_find(config, "acme", &rack, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_cmpstr(
	    error->message, ==, "ambiguous rack name: acme (acme/production, acme/staging)");
}

static void
an_unknown_name_lists_the_racks(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Config) config = load();
	ConfigRack rack;
	add_rack(config, "local");

	g_assert_false(config_find(config, "nope", &rack, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, "could not find rack: nope (known racks: local)");
}

static void
the_current_rack_must_be_known(Place *place, gconstpointer data)
{
	g_autoptr(Config) config = load();

	g_assert_false(config_set_current(config, "nope"));
	g_assert_null(config_current(config));
}

static void
a_damaged_file_is_named(Place *place, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	write_file(place, "{\"racks\":");

	g_assert_null(config_load(&error));
	g_assert_true(g_str_has_prefix(error->message, place->file));
}

static void
odd_json_is_no_crash(Place *place, gconstpointer data)
{
	write_file(place, "{\"current\": 7, \"racks\": [1, 2]}");
	g_autoptr(Config) config = load();
	g_autofree const char **names = config_names(config);

	g_assert_null(config_current(config));
	g_assert_null(names[0]);
	add_rack(config, "a");
	g_assert_true(config_rack(config, "a", NULL));
}

#define TEST(path, function) g_test_add(path, Place, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("/config/there-need-be-no-file", there_need_be_no_file);
	TEST("/config/passwords-are-for-their-owner-alone", passwords_are_for_their_owner_alone);
	TEST("/config/what-is-saved-is-loaded", what_is_saved_is_loaded);
	TEST("/config/unknown-members-are-kept", unknown_members_are_kept);
	TEST(
	    "/config/a-rack-is-found-by-a-part-of-its-name", a_rack_is_found_by_a_part_of_its_name);
	TEST("/config/an-exact-name-goes-before-parts", an_exact_name_goes_before_parts);
	TEST("/config/an-ambiguous-name-lists-its-matches", an_ambiguous_name_lists_its_matches);
	TEST("/config/an-unknown-name-lists-the-racks", an_unknown_name_lists_the_racks);
	TEST("/config/the-current-rack-must-be-known", the_current_rack_must_be_known);
	TEST("/config/a-damaged-file-is-named", a_damaged_file_is_named);
	TEST("/config/odd-json-is-no-crash", odd_json_is_no_crash);
	return g_test_run();
}

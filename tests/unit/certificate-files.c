/*
 * See the header.
 */
#include "certificate-files.h"
#include "folders.h"

char *
test_run_program(const char *const *arguments, const char *input)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *errors = NULL;
	char *output = NULL;
	g_autoptr(GSubprocess) child = g_subprocess_newv(arguments,
	    G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
		G_SUBPROCESS_FLAGS_STDERR_PIPE,
	    &error);
	g_assert_no_error(error);
	g_subprocess_communicate_utf8(child, input ? input : "", NULL, &output, &errors, &error);
	g_assert_no_error(error);
	if (!g_subprocess_get_successful(child))
		g_test_message("%s: %s", arguments[0], errors);
	g_assert_true(g_subprocess_get_successful(child));
	return output;
}

static char *
take_file(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

/* One certificate NAME.pem with NAME.key; by `issuer`, or by itself. */
static void
make(const char *folder, const char *name, const char *names, unsigned days, const char *issuer)
{
	g_autofree char *key = g_strdup_printf("%s/%s.key", folder, name);
	g_autofree char *pem = g_strdup_printf("%s/%s.pem", folder, name);
	g_autofree char *time = g_strdup_printf("%u", days);
	g_autofree char *subject = g_strdup_printf("/CN=%s.subject.test", name);
	g_autofree char *alternative = g_strconcat("subjectAltName=", names, NULL);
	g_autofree char *authority = g_strdup_printf("%s/%s.pem", folder, issuer ? issuer : "");
	g_autofree char *signer = g_strdup_printf("%s/%s.key", folder, issuer ? issuer : "");
	g_autoptr(GPtrArray) arguments = g_ptr_array_new();
	const char *const fixed[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
	    "ec_paramgen_curve:prime256v1", "-nodes", "-days", time, "-subj", subject, "-keyout",
	    key, "-out", pem};
	for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
		g_ptr_array_add(arguments, (char *)fixed[i]);
	if (names) {
		g_ptr_array_add(arguments, (char *)"-addext");
		g_ptr_array_add(arguments, alternative);
	}
	if (issuer) {
		g_ptr_array_add(arguments, (char *)"-CA");
		g_ptr_array_add(arguments, authority);
		g_ptr_array_add(arguments, (char *)"-CAkey");
		g_ptr_array_add(arguments, signer);
	}
	g_ptr_array_add(arguments, NULL);
	g_free(test_run_program((const char *const *)arguments->pdata, NULL));
}

TestPair
test_pair(const char *names, unsigned days)
{
	g_autofree char *folder = g_dir_make_tmp("test-pair-XXXXXX", NULL);
	make(folder, "own", names, days, NULL);
	TestPair pair = {take_file(folder, "own.pem"), take_file(folder, "own.key")};
	folder_remove(folder);
	return pair;
}

TestPair
test_issued_pair(const char *names, char **chain)
{
	g_autofree char *folder = g_dir_make_tmp("test-pair-XXXXXX", NULL);
	make(folder, "authority", NULL, 30, NULL);
	make(folder, "issued", names, 30, "authority");
	TestPair pair = {take_file(folder, "issued.pem"), take_file(folder, "issued.key")};
	*chain = take_file(folder, "authority.pem");
	folder_remove(folder);
	return pair;
}

void
test_pair_clear(TestPair *pair)
{
	g_free(pair->public);
	g_free(pair->key);
}

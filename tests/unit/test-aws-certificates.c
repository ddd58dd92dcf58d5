/*
 * Certificates in ACM, against a server that answers like AWS by a script.
 */
#include "aws-rack.h"
#include "aws/provider.h"
#include "base/error.h"
#include "certificate-files.h"
#include "fake/private.h"

#include <string.h>

#define ARN "arn:aws:acm:eu-west-1:000000000000:certificate/1"

typedef struct {
	AwsServer *server;
	AwsRack *rack;
	Store *store;
	Certificates *certificates;
} Fixture;

static const char added[] = "<AddListenerCertificatesResponse><AddListenerCertificatesResult/>"
			    "</AddListenerCertificatesResponse>";
static const char removed[] =
    "<RemoveListenerCertificatesResponse><RemoveListenerCertificatesResult/>"
    "</RemoveListenerCertificatesResponse>";

static void
set_up(Fixture *fixture, const char *const *bodies)
{
	fixture->server = aws_server_of_bodies(bodies, "400 Bad Request");
	fixture->rack = aws_server_rack(fixture->server);
	fixture->store = fake_store_new();
	fixture->certificates = certificates_acm_new(fixture->rack, fixture->store);
}

static void
tear_down(Fixture *fixture)
{
	fixture->certificates->ops->free(fixture->certificates);
	fake_store_destroy(fixture->store);
	aws_rack_free(fixture->rack);
	aws_server_free(fixture->server);
}

static bool
asked(Fixture *fixture, unsigned index, const char *text)
{
	return strstr(aws_server_request(fixture->server, index), text) != NULL;
}

static void
test_import(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {
	    "{\"CertificateArn\": \"" ARN "\"}", added, removed, "{}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	const CertificatesOps *ops = fixture.certificates->ops;
	g_auto(TestPair) pair = test_pair("DNS:shop.test", 30);
	g_autoptr(CertificateEntry) entry =
	    ops->import(fixture.certificates, pair.public, pair.key, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(entry->is_ready);
	g_assert_true(asked(&fixture, 0, "CertificateManager.ImportCertificate"));
	g_assert_true(asked(&fixture, 0, "\"carrack\""));
	g_assert_true(asked(&fixture, 1, "Action=AddListenerCertificates"));
	g_assert_true(asked(&fixture, 1, "certificate%2F1"));

	/* The same again asks nothing. */
	g_autoptr(CertificateEntry) again =
	    ops->import(fixture.certificates, pair.public, pair.key, NULL, &error);
	g_assert_cmpstr(again->id, ==, entry->id);
	g_autoptr(GPtrArray) all = ops->list(fixture.certificates, &error);
	g_assert_cmpuint(all->len, ==, 1);
	g_assert_cmpuint(aws_server_calls(fixture.server), ==, 2);

	g_assert_true(ops->remove(fixture.certificates, entry->id, &error));
	g_assert_true(asked(&fixture, 2, "Action=RemoveListenerCertificates"));
	g_assert_true(asked(&fixture, 3, "CertificateManager.DeleteCertificate"));
	g_assert_false(ops->remove(fixture.certificates, entry->id, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	tear_down(&fixture);
}

/* A listener that takes no more certificates: nothing is left behind. */
static void
test_full_listener(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {"{\"CertificateArn\": \"" ARN "\"}",
	    "4<ErrorResponse><Error><Code>TooManyCertificates</Code><Message>The limit is 25"
	    "</Message></Error></ErrorResponse>",
	    removed, "{}", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	const CertificatesOps *ops = fixture.certificates->ops;
	g_auto(TestPair) pair = test_pair("DNS:shop.test", 30);
	g_assert_null(ops->import(fixture.certificates, pair.public, pair.key, NULL, &error));
	g_assert_nonnull(strstr(error->message, "TooManyCertificates: The limit is 25"));
	g_assert_true(asked(&fixture, 3, "CertificateManager.DeleteCertificate"));
	g_autoptr(GPtrArray) all = ops->list(fixture.certificates, NULL);
	g_assert_cmpuint(all->len, ==, 0);
	tear_down(&fixture);
}

static void
test_issue(void)
{
	g_autoptr(GError) error = NULL;
	const char *const bodies[] = {"{\"CertificateArn\": \"" ARN "\"}",
	    "{\"Certificate\": {\"Status\": \"PENDING_VALIDATION\", \"DomainValidationOptions\": "
	    "[{\"ResourceRecord\": {\"Name\": \"_x.shop.test.\", \"Type\": \"CNAME\", \"Value\": "
	    "\"_y.aws.\"}}, {\"ResourceRecord\": {\"Name\": \"_x.shop.test.\", \"Type\": "
	    "\"CNAME\", "
	    "\"Value\": \"_y.aws.\"}}]}}",
	    "{\"Certificate\": {\"Status\": \"ISSUED\", \"NotAfter\": 1900000000.0}}", added, NULL};
	const char *const domains[] = {"shop.test", "*.shop.test", NULL};
	Fixture fixture;
	set_up(&fixture, bodies);
	const CertificatesOps *ops = fixture.certificates->ops;
	g_autoptr(CertificateEntry) entry = ops->issue(fixture.certificates, domains, &error);
	g_assert_no_error(error);
	g_assert_false(entry->is_ready);
	g_assert_cmpuint(json_array_size(entry->validation), ==, 1);
	g_assert_cmpstr(
	    json_text_of(json_array_get(entry->validation, 0), "value", ""), ==, "_y.aws.");
	g_assert_true(asked(&fixture, 0, "\"SubjectAlternativeNames\""));

	/* Once it is issued it is attached, and then known without asking. */
	g_autoptr(GPtrArray) all = ops->list(fixture.certificates, &error);
	g_assert_no_error(error);
	const CertificateEntry *issued = all->pdata[0];
	g_assert_true(issued->is_ready);
	g_assert_cmpint(issued->expires, ==, G_GINT64_CONSTANT(1900000000) * G_USEC_PER_SEC);
	g_assert_true(asked(&fixture, 3, "Action=AddListenerCertificates"));
	g_autoptr(GPtrArray) later = ops->list(fixture.certificates, &error);
	g_assert_cmpuint(later->len, ==, 1);
	g_assert_cmpuint(aws_server_calls(fixture.server), ==, 4);
	tear_down(&fixture);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/aws-certificates/imported-and-removed", test_import);
	g_test_add_func("/aws-certificates/a-full-listener-leaves-nothing", test_full_listener);
	g_test_add_func("/aws-certificates/issued-ones-are-attached-when-ready", test_issue);
	return g_test_run();
}

/*
 * XML answers as JSON, and the Query form, which is the way there.
 */
#include "aws/client-private.h"
#include "aws/xml.h"

#include <string.h>

static char *
read_as_text(const char *xml)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *value = aws_xml(xml, strlen(xml), "the answer", NULL, &error);

	g_assert_no_error(error);
	return json_text(value, false);
}

static void
check_refused(const char *xml, const char *reason)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *value = aws_xml(xml, strlen(xml), "the answer", NULL, &error);

	g_assert_null(value);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_true(g_str_has_prefix(error->message, "the answer: the answer is not XML: "));
	g_assert_nonnull(strstr(error->message, reason));
}

static void
test_objects(void)
{
	g_autofree char *text = read_as_text(
	    "<?xml version=\"1.0\"?>\n<R xmlns=\"x\">\n <A>1 &lt;&#252;</A>\n <B><C> c "
	    "</C></B><D/><A><![CDATA[<2>]]></A></R>");

	g_assert_cmpstr(text, ==, "{\"A\":[\"1 <ü\",\"<2>\"],\"B\":{\"C\":\" c \"},\"D\":\"\"}");
}

static void
test_lists(void)
{
	g_autofree char *text =
	    read_as_text("<R><Stacks><member><Name>a</Name></member></Stacks><set><item>1</item>"
			 "<item>2</item></set><No/></R>");

	g_assert_cmpstr(
	    text, ==, "{\"Stacks\":[{\"Name\":\"a\"}],\"set\":[\"1\",\"2\"],\"No\":\"\"}");
}

static void
test_items(void)
{
	json_auto_t *answer = json_pack("{s:s, s:s, s:{s:{s:s}}, s:[s, s]}", "None", "", "Blank",
	    "\n ", "Outer", "One", "k", "v", "Two", "a", "b");
	json_auto_t *none = aws_items(answer, "None");
	json_auto_t *blank = aws_items(answer, "Blank");
	json_auto_t *missing = aws_items(answer, "Missing.Deep");
	json_auto_t *one = aws_items(answer, "Outer.One");
	json_auto_t *two = aws_items(answer, "Two");

	g_assert_cmpuint(json_array_size(none), ==, 0);
	g_assert_cmpuint(json_array_size(blank), ==, 0);
	g_assert_cmpuint(json_array_size(missing), ==, 0);
	g_assert_cmpuint(json_array_size(one), ==, 1);
	g_assert_cmpuint(json_array_size(two), ==, 2);
}

static void
test_refusals(void)
{
	g_autoptr(GString) deep = g_string_new(NULL);
	g_autofree char *wide = NULL;

	for (unsigned i = 0; i < 1000; i++)
		g_string_append(deep, "<a>");
	check_refused("", "");
	check_refused("<a>", "");
	check_refused("<a></b>", "");
	check_refused("{}", "");
	check_refused("<a/><b/>", "more than one element");
	check_refused("<a>&own;</a>", "own");
	check_refused("<!DOCTYPE a [<!ENTITY own \"x\">]><a/>", "document type");
	check_refused("<a>\xff</a>", "");
	check_refused(deep->str, "inside one another");

	g_autoptr(GError) error = NULL;
	json_auto_t *value = aws_xml("<a>\0</a>", 8, "the answer", NULL, &error);
	g_assert_null(value);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

static void
test_writing(void)
{
	json_auto_t *content = json_pack("{s:s, s:[{s:s, s:i}], s:[s], s:b}", "Comment", "a<b",
	    "Changes.Change", "Action", "UPSERT", "TTL", 60, "List", "x", "Private", 1);
	g_autofree char *text = aws_xml_text("Request", "urn:x", content);

	g_assert_cmpstr(text, ==,
	    "<Request xmlns=\"urn:x\"><Comment>a&lt;b</Comment><Changes><Change><Action>UPSERT"
	    "</Action><TTL>60</TTL></Change></Changes><List><member>x</member></List>"
	    "<Private>true</Private></Request>");
}

static void
check_form(const char *service, const char *input, const char *expected)
{
	json_auto_t *value = json_loads(input, 0, NULL);
	g_autofree char *text = aws_form_text(aws_service_named(service), "Do", value);
	g_autofree char *plain = g_uri_unescape_string(text, NULL);
	const char *rest = strstr(plain, "Version=");

	g_assert_nonnull(value);
	g_assert_true(g_str_has_prefix(plain, "Action=Do&Version="));
	g_assert_cmpstr(rest + 18, ==, expected);
}

static void
test_form(void)
{
	check_form("cloudformation", "{\"A\": \"x&y\", \"B\": true, \"C\": 1, \"D\": null}",
	    "&A=x&y&B=true&C=1");
	check_form("cloudformation", "{\"Tags\": [{\"Key\": \"k\"}, {\"Key\": \"l\"}], \"No\": []}",
	    "&Tags.member.1.Key=k&Tags.member.2.Key=l&No=");
	check_form("ec2", "{\"Tag\": [{\"Key\": \"k\"}], \"No\": [], \"P\": {\"Zone\": \"a\"}}",
	    "&Tag.1.Key=k&P.Zone=a");
	check_form("rds", "{\"Tags.Tag\": [{\"Key\": \"k\"}], \"Flat.\": [\"x\", \"y\"]}",
	    "&Tags.Tag.1.Key=k&Flat.1=x&Flat.2=y");
	check_form("sns", "{\"Attributes.entry\": {\"a\": \"b\", \"c\": \"d\"}}",
	    "&Attributes.entry.1.key=a&Attributes.entry.1.value=b&Attributes.entry.2.key=c"
	    "&Attributes.entry.2.value=d");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/xml/elements-are-objects-and-texts", test_objects);
	g_test_add_func("/xml/members-and-items-are-lists-even-of-one", test_lists);
	g_test_add_func("/xml/items-are-a-list-whatever-was-left-of-them", test_items);
	g_test_add_func("/xml/entities-depth-and-broken-text-are-refused", test_refusals);
	g_test_add_func("/xml/json-is-written-as-xml", test_writing);
	g_test_add_func("/xml/a-query-form-keeps-the-rules-of-its-protocol", test_form);
	return g_test_run();
}

/*
 * Unit tests of manifest/dockerfile.
 */
#include "manifest/dockerfile.h"

static void
assert_arguments(const char *text, const char *expected)
{
	g_auto(GStrv) names = dockerfile_arguments(text);
	g_autofree char *joined = g_strjoinv(" ", names);
	g_assert_cmpstr(joined, ==, expected);
}

static void
the_first_port_of_the_last_stage_counts(void)
{
	const char *text = "FROM a\nEXPOSE 1\nFROM b\nEXPOSE 3000 4000/tcp\nEXPOSE 3000\n";
	g_assert_cmpuint(dockerfile_port(text), ==, 3000);
	g_assert_cmpuint(dockerfile_port_count(text), ==, 2);
	g_assert_cmpuint(dockerfile_port("FROM a\nEXPOSE 1\nFROM b\n"), ==, 0);
	g_assert_cmpuint(dockerfile_port(""), ==, 0);
	g_assert_cmpuint(dockerfile_port("EXPOSE 80\n"), ==, 0);
}

static void
a_stage_built_from_another_exposes_its_ports(void)
{
	const char *text = "FROM a AS Base\nENV P=81\nEXPOSE 80\nFROM base as last\nEXPOSE $P\n";
	g_assert_cmpuint(dockerfile_port(text), ==, 80);
	g_assert_cmpuint(dockerfile_port_count(text), ==, 2);
}

static void
udp_and_nonsense_are_no_ports(void)
{
	g_assert_cmpuint(
	    dockerfile_port("FROM a\nEXPOSE 53/udp 0 70000 x 8000-8010/TCP\n"), ==, 8000);
}

static void
lines_are_read_as_the_engine_reads_them(void)
{
	const char *text =
	    "# syntax=x\n  fRoM a\r\nexpose \\\n# comment\n\n  30\\  \n00 \\\r\n 4000\r\n";
	g_assert_cmpuint(dockerfile_port(text), ==, 3000);
	g_assert_cmpuint(dockerfile_port_count(text), ==, 2);
	g_assert_cmpuint(
	    dockerfile_port("# escape=`\nFROM a\nRUN dir c:\\\nEXPOSE `\n80\n"), ==, 80);
	g_assert_cmpuint(dockerfile_port("FROM a\nRUN x \\\nEXPOSE 1\nEXPOSE 2\n"), ==, 2);
	g_assert_cmpuint(dockerfile_port("\xef\xbb\xbf"
					 "FROM a\nEXPOSE 5"),
	    ==, 5);
}

static void
known_variables_are_put_in(void)
{
	const char *text = "ARG GLOBAL=90\nFROM a\nARG GLOBAL\nARG A=91 B\nENV C=\"92\" D='9'3\n"
			   "ENV E 94\nEXPOSE $GLOBAL ${A} $C $D ${E} ${NO:-95} ${A:+96} $B ${B}\n";
	g_assert_cmpuint(dockerfile_port(text), ==, 90);
	g_assert_cmpuint(dockerfile_port_count(text), ==, 7);
	g_assert_cmpuint(dockerfile_port("FROM a\nENV P=\"1 2\"\nEXPOSE $P\n"), ==, 1);
	g_assert_cmpuint(dockerfile_port("ARG P=1\nFROM a\nEXPOSE $P 2\n"), ==, 2);
}

static void
heredocs_are_no_instructions(void)
{
	const char *text = "FROM a\nRUN <<EOF cat <<-'TWO'\nEXPOSE 1\nEOF\n\tEXPOSE 2\n\tTWO\n"
			   "COPY <<\"E\" /x\nARG NO\nE\nRUN cat <<< word\nEXPOSE 3\n";
	g_assert_cmpuint(dockerfile_port(text), ==, 3);
	g_assert_cmpuint(dockerfile_port_count(text), ==, 1);
	assert_arguments(text, "");
}

static void
arguments_are_listed_once_in_order(void)
{
	assert_arguments(
	    "ARG VERSION=1\nFROM a:$VERSION\narg B\nARG VERSION\nARG A=\"x y\" C\n# ARG D\n"
	    "FROM c\nARG B=2\nARG =x\n",
	    "VERSION B A C");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dockerfile/the-first-port-of-the-last-stage-counts",
	    the_first_port_of_the_last_stage_counts);
	g_test_add_func("/dockerfile/a-stage-built-from-another-exposes-its-ports",
	    a_stage_built_from_another_exposes_its_ports);
	g_test_add_func("/dockerfile/udp-and-nonsense-are-no-ports", udp_and_nonsense_are_no_ports);
	g_test_add_func("/dockerfile/lines-are-read-as-the-engine-reads-them",
	    lines_are_read_as_the_engine_reads_them);
	g_test_add_func("/dockerfile/known-variables-are-put-in", known_variables_are_put_in);
	g_test_add_func("/dockerfile/heredocs-are-no-instructions", heredocs_are_no_instructions);
	g_test_add_func(
	    "/dockerfile/arguments-are-listed-once-in-order", arguments_are_listed_once_in_order);
	return g_test_run();
}

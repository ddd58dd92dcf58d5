/*
 * The tables of verbs and flags. A verb is added by a row here and a function in the file of its
 * noun; help, completion and dispatch follow from the row. Rows are in the order of the alphabet.
 */
#include "cli/verbs.h"

#include "cli/session.h"
#include "install/install.h"

#include <string.h>

static const Flag flags[] = {
    {"all", 'a', NULL, "processes of apps too"},
    {"app", 'a', "NAME",
	"the app (else CARRACK_APP, .carrack/app, .convox/app, the folder's name)"},
    {"base", 0, "[NAME=]IMAGE", "make a Dockerfile on this image; may be given several times",
	true},
    {"build-args", 0, "NAME=VALUE", "a build argument; may be given several times", true},
    {"ca", 0, "FILE", "certificates to trust besides the system's"},
    {"chain", 0, "FILE", "the certificates that lead to the authority"},
    {"count", 0, "N", "how many processes, or instances"},
    {"cpu", 0, "UNITS", "cpu of a process; 1024 is a core"},
    {"description", 'd', "TEXT", "what the build is about"},
    {"detach", 'd', NULL, "let it go on by itself, and print only its id"},
    {"development", 0, NULL, "build the development stage"},
    {"entrypoint", 'e', NULL, "run it through the image's entrypoint (the default)"},
    {"env-file", 0, "FILE", "the app's environment, as a .env file"},
    {"filter", 0, "TEXT", "only lines that contain this"},
    {"follow", 'f', NULL, "go on with new lines (the default)"},
    {"force", 0, NULL, "take over from a promote that is going on (init: write over files)"},
    {"generation", 'g', "2|3", "take the defaults and keys of that generation of Convox"},
    {"help", 'h', NULL, "show this help"},
    {"id", 0, NULL, "print only the identifier on stdout"},
    {"insecure", 0, NULL, "do not verify the server's certificate"},
    {"json", 0, NULL, "print JSON on stdout, and nothing else"},
    {"language", 0, "NAME", "what the folder is, where several languages fit"},
    {"limit", 'l', "N", "how many, newest first"},
    {"manifest", 'm', "FILE",
	"the manifest (default: convox.yml, docker-compose.yml, Procfile, Dockerfile)"},
    {"memory", 0, "MB", "memory of a process"},
    {"name", 'n', "NAME", "the rack's name; at a login, what to call it here"},
    {"no-cache", 0, NULL, "build every step anew"},
    {"no-entrypoint", 0, NULL, "run the command itself, without the image's entrypoint"},
    {"no-follow", 0, NULL, "end after the lines there are"},
    {"no-wait", 0, NULL, "return when the rack has accepted it"},
    {"password", 'p', "PASSWORD", "the rack's password; asked for when missing"},
    {"profile", 0, "NAME", "the profile of ~/.aws (else AWS_PROFILE, default)"},
    {"promote", 'p', NULL, "promote the new release"},
    {"rack", 'r', "NAME",
	"the rack (else CARRACK_RACK, the current one; RACK_URL goes before all)"},
    {"region", 0, "REGION", "the region of AWS (else AWS_REGION, the profile's)"},
    {"release", 0, "RELEASE", "this release (run), only processes of it (ps)"},
    {"replace", 0, NULL, "drop the variables that are not given"},
    {"service", 's', "NAME", "only this service"},
    {"since", 0, "TIME", "lines from then on: a duration (10s, 5m, 1h) or RFC 3339"},
    {"strict", 0, NULL, "unknown keys of the manifest are errors"},
    {"tail", 0, "N", "only the newest N of the lines there are"},
    {"timeout", 't', "SECONDS", "stop it then, with exit status 124"},
    {"type", 0, "TYPE", "the kind of its instances, as t3.small"},
    {"wait", 'w', NULL, "wait for the result (the default)"},
    {"yes", 'y', NULL, "do not ask"},
    {NULL},
};

#define ANY "json help"
#define RACK ANY " rack"
#define APP RACK " app"
#define AWS " profile region"
#define WAIT " wait no-wait"

static const Verb verbs[] = {
    {"api get", "<path>", "print an answer of the rack's API", RACK, api_get, "api get /system"},
    {"apps", "", "list apps", RACK, apps_list, "apps\napps --json"},
    {"apps cancel", "[app]", "stop the build or promote that is running", APP, apps_cancel, ""},
    {"apps create", "[name]", "create an app", APP WAIT, apps_create, "apps create blog"},
    {"apps delete", "<app>", "delete an app and all that belongs to it", RACK " yes" WAIT,
	apps_delete, "apps delete blog --yes"},
    {"apps info", "[app]", "show an app", APP, apps_info, ""},
    {"apps lock", "[app]", "protect an app from deletion", APP, apps_lock, ""},
    {"apps params", "[app]", "list an app's parameters", APP, apps_params, ""},
    {"apps params set", "<Key=Value> [Key=Value...]", "set parameters of an app", APP WAIT,
	apps_params_set, ""},
    {"apps unlock", "[app]", "allow an app's deletion again", APP, apps_unlock, ""},
    {"apps wait", "[app]", "wait until nothing changes an app any more", APP, apps_wait, ""},
    {"build", "[dir]", "build a release from a folder",
	APP " base build-args description development id language manifest no-cache strict", build,
	"build\nbuild --id -d 'fix the header'"},
    {"builds", "", "list builds", APP " limit", builds_list, ""},
    {"builds info", "<build>", "show a build", APP, builds_info, ""},
    {"builds logs", "<build>", "print the log of a build", APP, builds_logs, ""},
    {"certs", "", "list certificates", RACK, certificates_list, ""},
    {"certs delete", "<certificate>", "delete a certificate", RACK " yes", certificates_delete,
	"certs delete cert-0123456789ab"},
    {"certs generate", "<domain> [domain...]", "have a certificate issued", RACK " id",
	certificates_generate, "certs generate shop.example.com"},
    {"certs import", "<pub> <key>", "bring a certificate and its key, PEM files", RACK " chain id",
	certificates_import, "certs import shop.pem shop.key --chain chain.pem"},
    {"complete", "[word...]", "print how a command line can go on", ANY, NULL, "", complete_main,
	true},
    {"cp", "<from> <to>", "copy files between this machine and a process (PROCESS:/path)", APP,
	copy, "cp 0123456789ab:/data/app.db .\ncp settings.json web:/srv/"},
    {"deploy", "[dir]", "build a folder and promote the release",
	APP
	" base build-args description development force id language manifest no-cache strict" WAIT,
	deploy, "deploy\ndeploy ../shop -a shop"},
    {"env", "", "list the environment", APP, env_list, "env > saved.env"},
    {"env edit", "", "edit the environment in $EDITOR", APP " id promote" WAIT, env_edit, ""},
    {"env get", "<name>", "print a variable", APP, env_get_one, "env get DATABASE_URL"},
    {"env set", "[name=value...]", "set variables; without arguments from stdin",
	APP " id promote replace" WAIT, env_set_many,
	"env set A=1 B='two words' --promote\nenv set --replace < saved.env"},
    {"env unset", "<name> [name...]", "take variables away", APP " id promote" WAIT, env_unset_many,
	"env unset A B"},
    {"exec", "<process> <command...>",
	"run a command in a process; a service's name means its newest", APP, exec_command,
	"exec web sh\nexec 0123456789ab -- ls -l /srv", .failure_status = SESSION_FAILED},
    {"help", "[verb...]", "show the verbs, or the help of one", ANY, help, "help env set"},
    {"init", "[dir]", "write the Dockerfile and convox.yml that an app needs; needs no rack",
	ANY " base force language", init,
	"init\ninit shop --language python --base python:3.12-slim"},
    {"install", "", "install the rack on this machine, or update it (see install --help)", "help",
	NULL, "install\ninstall --domain apps.example.com", install_verb},
    {"install aws", "[Param=Value...]",
	"install a rack in an AWS account, go on where it stopped, or update it",
	ANY " name" AWS " yes", install_aws,
	"install aws --name prod Domain=apps.example.org HostedZone=Z0123456789ABCDEFGHIJ\n"
	"install aws --name prod --region eu-west-1 Domain=apps.example.org "
	"Certificate=arn:aws:acm:... Capacity=fargate Private=Yes"},
    {"login", "<host>", "remember a rack and make it the current one",
	ANY " ca insecure name password", login, "login rack.example.com:5443"},
    {"logs", "", "print the app's log", APP " filter follow no-follow service since tail", logs,
	"logs\nlogs --since 10m --no-follow -s web"},
    {"manifest check", "[file]", "print all that is wrong with a manifest; needs no rack",
	ANY " env-file generation strict", manifest_check,
	"manifest check\nmanifest check docker-compose.yml --env-file .env"},
    {"manifest show", "[file]", "print a manifest with everything filled in; needs no rack",
	ANY " env-file generation strict", manifest_show,
	"manifest show --json\nmanifest show convox.yml --generation 2"},
    {"open", "[service]", "print an app's address and open it", APP, open_app, ""},
    {"proxy", "<[port:]host:hostport> [[port:]host:hostport...]",
	"lead ports of this machine to services (SERVICE.APP)", RACK, proxy_ports,
	"proxy 8080:web.shop:3000"},
    {"ps", "", "list processes", APP " release service", processes_list, ""},
    {"ps info", "<process>", "show a process", APP, processes_info, ""},
    {"ps stop", "<process>", "stop a process; the rack starts another", APP, processes_stop, ""},
    {"rack", "", "show the rack", RACK, rack_info, ""},
    {"rack logs", "", "print the rack's own log", RACK " filter follow no-follow since tail",
	rack_logs, ""},
    {"rack params", "", "list the parameters of a rack on AWS", RACK AWS, rack_params, ""},
    {"rack params set", "<Param=Value> [Param=Value...]", "set parameters of a rack on AWS",
	RACK AWS " yes", rack_params_set, "rack params set LogRetention=90 InstanceMaximum=40"},
    {"rack ps", "", "list the rack's processes", RACK " all", rack_processes_list, ""},
    {"rack repair", "", "lead a rack on AWS out of a failed update", RACK AWS, rack_repair, ""},
    {"rack scale", "", "set how many instances a rack on AWS has at least, and their kind",
	RACK AWS " count type yes", rack_scale, "rack scale --count 4 --type t3.large"},
    {"rack update", "[Param=Value...]",
	"bring a rack on AWS to this program's version; shows what changes, and asks",
	RACK AWS " yes", rack_update, "rack update\nrack update TargetCapacity=80 --yes"},
    {"racks", "", "list the racks you know", ANY, racks_list, ""},
    {"releases", "", "list releases", APP " limit", releases_list, ""},
    {"releases info", "<release>", "show a release", APP, releases_info, ""},
    {"releases manifest", "<release>", "print the manifest of a release", APP, releases_manifest,
	""},
    {"releases promote", "[release]", "make a release the live one; without an id the newest",
	APP " force" WAIT, releases_promote, ""},
    {"releases rollback", "<release>", "make an earlier release the live one, its environment too",
	APP " force id" WAIT, releases_rollback, ""},
    {"restart", "[service...]", "replace the running processes by new ones, without a gap",
	APP WAIT, services_restart, ""},
    {"run", "<service> <command...>", "run a command in a process of its own",
	APP " detach entrypoint no-entrypoint release timeout", run_command,
	"run web sh\nrun web --release RABCDEFGHIJ -- rake db:migrate\nrun web -d -t 600 -- backup",
	.failure_status = SESSION_FAILED},
    {"scale", "[service]", "show or set how many processes a service has, and their size",
	APP " count cpu memory" WAIT, services_scale, "scale\nscale web --count 3"},
    {"services", "", "list services", APP, services_list, ""},
    {"ssl", "", "show which certificates serve an app's services", APP, ssl_list, ""},
    {"switch", "[rack]", "show or choose the current rack", ANY, racks_switch, ""},
    {"uninstall", "", "remove the rack from this machine (see uninstall --help)", "help", NULL,
	"uninstall\nuninstall --data --yes", uninstall_verb},
    {"uninstall aws", "", "take a rack and all that belongs to it out of an AWS account",
	ANY " name" AWS " yes", uninstall_aws, "uninstall aws --name prod"},
    {"version", "", "show the versions of this program and of the rack", RACK, version, ""},
    {NULL},
};

const Verb *
verb_table(void)
{
	return verbs;
}

const Flag *
flag_table(void)
{
	return flags;
}

const Flag *
flag_named(const char *name)
{
	for (const Flag *flag = flags; flag->name; flag++) {
		if (strcmp(flag->name, name) == 0)
			return flag;
	}
	return NULL;
}

bool
flag_matches(const Flag *flag, const char *argument)
{
	g_autofree char *full = g_strconcat("--", flag->name, NULL);
	g_autofree char *with_value = g_strconcat(full, "=", NULL);
	const char letter[] = {'-', flag->letter, 0};

	return strcmp(argument, full) == 0 || g_str_has_prefix(argument, with_value) ||
	       (flag->letter && strcmp(argument, letter) == 0);
}

/* How many words of argv the verb takes; 0 when it is another one. */
static int
words_matched(const Verb *verb, int argc, char **argv)
{
	g_auto(GStrv) words = g_strsplit(verb->words, " ", -1);
	int count = 0;

	for (; words[count]; count++) {
		if (count >= argc || strcmp(words[count], argv[count]) != 0)
			return 0;
	}
	return count;
}

const Verb *
verb_find(int argc, char **argv, int *word_count)
{
	const Verb *found = NULL;
	int longest = 0;

	for (const Verb *verb = verbs; verb->words; verb++) {
		int count = words_matched(verb, argc, argv);
		if (count > longest) {
			longest = count;
			found = verb;
		}
	}
	*word_count = longest;
	return found;
}

#!/usr/bin/perl
# The app that is deployed by the end-to-end tests: an HTTP/1.1 server on what every slim image has.
# It behaves as its environment says:
#
#   VERSION        what / answers                     PORT           where it listens (3000)
#   START_DELAY    seconds before it listens          EXIT_AT_BOOT   ends with this status at once
#   EXIT_AFTER     SECONDS:STATUS                     HEALTH_CODE    what /health answers (200)
#   IGNORE_TERM    SIGTERM does nothing               FILL_MB        takes that much memory at boot
#   NEED_HOST      400 to any other Host              NEED_TLS       301 unless X-Forwarded-Proto is https
#
# Paths: / /health /slow?s=N /echo /headers /stream?n=N /pid /env?name=N /crash /say?text=T&n=N
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX ();

$| = 1;
my $version = $ENV{VERSION} // 'v1';
my $main = $$;
my ($ending, $idle) = (0, 0);

sub setting { defined $ENV{$_[0]} && $ENV{$_[0]} ne '' ? $ENV{$_[0]} : $_[1] }

# A child a connection, so that a slow answer holds nobody up.
sub listen_and_serve {
    my %children;
    $SIG{CHLD} = sub { while ((my $child = waitpid -1, POSIX::WNOHANG) > 0) { delete $children{$child} } };
    $SIG{TERM} = setting('IGNORE_TERM') ? 'IGNORE' : sub { $ending = 1 };
    if (my $after = setting('EXIT_AFTER')) {
        my ($seconds, $status) = split /:/, $after;
        $SIG{ALRM} = sub { print "leaving with $status\n"; POSIX::_exit($status) };
        alarm $seconds;
    }
    my $port = setting('PORT', 3000);
    my $listener = IO::Socket::INET->new(LocalPort => $port, Listen => 256, ReuseAddr => 1)
        or die "cannot listen on $port: $!\n";
    my $ready = IO::Select->new($listener);
    print "listening on $port\n";
    until ($ending) {
        # Never in a call without an end: a signal just before it would not be seen.
        my $peer = $ready->can_read(0.5) && $listener->accept or next;
        my $child = fork;
        if (!$child) {
            close $listener;
            alarm 0;
            $SIG{CHLD} = 'DEFAULT';
            $SIG{TERM} = sub { POSIX::_exit(0) if $idle; $ending = 1 } if !setting('IGNORE_TERM');
            converse($peer);
            POSIX::_exit(0);
        }
        $children{$child} = 1;
        close $peer;
    }
    close $listener;
    kill 'TERM', keys %children;
    # One may have ended before it was noted.
    select undef, undef, undef, 0.05 while grep { kill 0, $_ } keys %children;
    print "ended\n";
}

# One request after another, until the peer or a request wants the end.
sub converse {
    my $peer = shift;
    my $rest = '';
    my $ready = IO::Select->new($peer);
    $peer->autoflush(1);
    while (1) {
        $idle = $rest eq '';
        while ($idle && !$ready->can_read(0.5)) { return if $ending }
        until ($rest =~ /\r?\n\r?\n/) {
            sysread($peer, $rest, 65536, length $rest) or return;
            $idle = 0;
        }
        $rest =~ s/^(.*?\r?\n)\r?\n//s;
        my $head = $1;
        my ($line, @lines) = split /\r?\n/, $head;
        my ($method, $target, $protocol) = split ' ', $line;
        my %header = map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () } @lines;
        print $peer "HTTP/1.1 100 Continue\r\n\r\n" if lc($header{expect} // '') eq '100-continue';
        my ($length, $sum) = read_body($peer, \$rest, \%header);
        my $wants_end = lc($header{connection} // '') eq 'close' || $protocol ne 'HTTP/1.1';
        answer($peer, $method, $target, \%header, $head, "$length $sum", \$wants_end);
        return if $wants_end;
    }
}

# Its length and a sum of its bytes; nothing is kept.
sub read_body {
    my ($peer, $rest, $header) = @_;
    my ($length, $sum) = (0, 0);
    my $take = sub {
        my $left = shift;
        while ($left > 0) {
            length $$rest or sysread($peer, $$rest, 65536) or POSIX::_exit(0);
            my $piece = substr $$rest, 0, $left, '';
            $sum = ($sum + unpack '%32C*', $piece) % 4294967296;
            $length += length $piece;
            $left -= length $piece;
        }
    };
    my $line = sub {
        until ($$rest =~ /\r\n/) { sysread($peer, $$rest, 65536, length $$rest) or POSIX::_exit(0) }
        $$rest =~ s/^(.*?)\r\n//s;
        return $1;
    };
    if (lc($header->{'transfer-encoding'} // '') eq 'chunked') {
        while (my $size = hex $line->()) { $take->($size); $line->() }
        $line->();
    } else {
        $take->($header->{'content-length'} // 0);
    }
    return ($length, $sum);
}

sub stream {
    my ($peer, $parts, $type) = @_;
    print $peer "HTTP/1.1 200 OK\r\n" . ($type ? "Content-Type: $type\r\n" : '') . "Transfer-Encoding: chunked\r\n\r\n";
    for my $part (1 .. $parts) {
        my $text = "part $part\n";
        printf $peer "%x\r\n%s\r\n", length $text, $text;
        sleep 1 if $part < $parts;
    }
    print $peer "0\r\n\r\n";
}

sub answer {
    my ($peer, $method, $target, $header, $head, $body_seen, $wants_end) = @_;
    my ($path, $query) = split /\?/, $target, 2;
    my %option = map { my ($name, $value) = split /=/, $_, 2; $name => $value // '' } split /&/, $query // '';
    my ($status, $body, $more) = (200, "$version\n", '');
    if (setting('NEED_HOST') && ($header->{host} // '') ne setting('NEED_HOST')) {
        ($status, $body) = (400, "bad host\n");
    } elsif (setting('NEED_TLS') && ($header->{'x-forwarded-proto'} // '') ne 'https') {
        ($status, $body, $more) = (301, '', "Location: https://elsewhere.test/\r\n");
    } elsif ($path eq '/health') {
        ($status, $body) = (setting('HEALTH_CODE', 200), "health\n");
    } elsif ($path eq '/slow') {
        my $until = time + ($option{s} // 3);
        while (time < $until) { sleep 1 }  # a signal ends a sleep
        $body = "slow $version\n";
    } elsif ($path eq '/echo') {
        $body = "$body_seen\n";
    } elsif ($path eq '/headers') {
        $body = $head;
    } elsif ($path eq '/pid') {
        $body = "$main\n";
    } elsif ($path eq '/env') {
        my $value = $ENV{$option{name}};
        ($status, $body) = defined $value ? (200, $value) : (404, '');
    } elsif ($path eq '/say') {
        print "$option{text}\n" for 1 .. $option{n} // 1;
    } elsif ($path eq '/crash') {
        print "crashing\n";
        kill 'KILL', $main if $main != 1;
        kill 'USR1', $main;
    } elsif ($path eq '/stream') {
        return stream($peer, $option{n} // 3, $option{type});
    }
    $$wants_end ||= $ending;
    $more .= "Connection: close\r\n" if $$wants_end;
    print $peer "HTTP/1.1 $status Status\r\n${more}Content-Length: " . length($body) . "\r\n\r\n"
        . ($method eq 'HEAD' ? '' : $body);
}

# The first process of a container is not killed by signals that it has no handler for.
$SIG{USR1} = sub { print "crashed\n"; POSIX::_exit(9) };
print "starting $version\n";
exit setting('EXIT_AT_BOOT') if defined setting('EXIT_AT_BOOT');
my $filling = 'x' x (1048576 * setting('FILL_MB', 0));
sleep setting('START_DELAY', 0);
listen_and_serve();

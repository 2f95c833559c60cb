#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# perl over its own library (Debian packages no test-suite of perl): hashes, regular expressions, closures, sorting, Storable,
# JSON::PP, Encode, Digest, Data::Dumper, its documentation rendered, threads and forks.
. "$(dirname "$0")/common.sh"
cat >"$work/work.pl" <<'PL'
use strict; use warnings;
use Storable qw(dclone freeze thaw); use JSON::PP; use Digest::SHA qw(sha256_hex); use Data::Dumper; use Encode; use List::Util qw(shuffle sum);
$Data::Dumper::Sortkeys = 1;
my (%h, @a);
my $part = $ENV{XALLOC_TEST_PART};
for my $i (1 .. 60000 / $part) { $h{"key" . $i * 7919 % 60013} = { n => $i, list => [1 .. $i % 7], text => "x" x ($i % 300) }; }
delete $h{"key$_"} for 1 .. 20000 / $part;
print scalar(keys %h), " ", sum(map { $_->{n} } values %h), "\n";
@a = sort { $h{$a}{n} <=> $h{$b}{n} } keys %h;
print sha256_hex(join ",", @a), "\n";
my $copy = thaw(freeze(dclone(\%h)));
print sha256_hex(Dumper($copy)), "\n";
my $json = JSON::PP->new->canonical;
my %part = map { $_ => $h{$_} } @a[0 .. 3000 / $part];
print sha256_hex($json->encode($json->decode($json->encode(\%part)))), "\n";
my $text = join " ", @a;
my $found = 0;
$found += length $1 while $text =~ /key(\d*7\d*)\b/g;
(my $other = $text) =~ s/(\d+)/sprintf "%x", $1/ge;
print "$found ", sha256_hex($other), "\n";
print length(encode("UTF-16", decode("UTF-8", "gr\xc3\xbc\xc3\x9fe " x 10000))), "\n";
my @closures = map { my $n = $_; sub { $n += shift } } 1 .. 20000 / $part;
print sum(map { $_->(3) } @closures), "\n";
undef %h; undef @closures; undef $copy;
PL
cat >"$work/threads.pl" <<'PL'
use strict; use warnings; use threads; use Thread::Queue;
my $q = Thread::Queue->new(1 .. 400 / $ENV{XALLOC_TEST_PART}); $q->end;
my @t = map { threads->create(sub { my $s = 0; while (defined(my $n = $q->dequeue)) { my %h = map { $_ => "v" x $_ } 1 .. $n; $s += keys %h } $s }) } 1 .. 4;
my $sum = 0; $sum += $_->join for @t;
print "$sum\n";
my $status = 0;
for (1 .. 20) { my $pid = fork; if (!$pid) { my @x = map { { n => $_ } } 1 .. 5000; exit(@x == 5000 ? 0 : 1) } waitpid $pid, 0; $status |= $? }
print "children $status\n";
PL
export PERL_HASH_SEED=0
same perl perl "$work/work.pl"
same perl-threads perl "$work/threads.pl"
same perl-pod sh -c 'for f in /usr/share/perl/5.*/pod/*.pod /usr/share/perl/5.*/CPAN.pm /usr/share/perl/5.*/perl5db.pl; do [ -e "$f" ] && echo "$f"; done | awk -v n="$XALLOC_TEST_PART" "(NR - 1) % n == 0" | xargs -n1 pod2man | sed "s/^.TH.*//" | sha256sum'

# SPDX-License-Identifier: MIT
# Hashes of arrays of strings, regular expressions, sorting.
use strict;
use warnings;
my %lines;
for my $i (1 .. 300000) {
  push @{$lines{"key " . ($i * 7919 % 20011)}}, "value $i of " . ('x' x ($i % 50));
}
my ($count, $bytes, $odd) = (0, 0, 0);
for my $key (sort keys %lines) {
  my $joined = join ',', map { uc } @{$lines{$key}};
  $odd += () = $joined =~ /VALUE \d*[13579] /g;
  $bytes += length $joined;
  ++$count;
  delete $lines{$key} if $count % 2;
}
my @words = sort { $a cmp $b } map { split / / } map { @$_ } values %lines;
print "$count $bytes $odd ", scalar(@words), " $words[1000]\n";

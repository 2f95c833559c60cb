#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The JVM: its version, a compilation (the classes are equal to the byte), the program run with threads, zip streams and direct
# buffers. Only where it is installed already.
. "$(dirname "$0")/common.sh"
must java
same java-version sh -c 'java -version 2>&1 | grep -v "^xalloc" | sha256sum'
must javac
mkdir "$work/classes"
cat >"$work/Work.java" <<'J'
import java.io.*;
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;
public class Work {
  record Row(int n, String text) {}
  static long zip(int seed) throws Exception {
    byte[] data = IntStream.range(0, 40000).mapToObj(i -> "row " + i * seed).collect(Collectors.joining("\n")).getBytes();
    var out = new ByteArrayOutputStream();
    try (var z = new GZIPOutputStream(out)) { z.write(data); }
    byte[] back = new GZIPInputStream(new ByteArrayInputStream(out.toByteArray())).readAllBytes();
    if (!Arrays.equals(data, back)) throw new Exception("zip");
    long sum = 0;
    for (int i = 1; i < 60; i++) { ByteBuffer b = ByteBuffer.allocateDirect(i * 4000); b.putInt(0, i); sum += b.getInt(0) + b.capacity(); }
    return sum + back.length;
  }
  public static void main(String[] a) throws Exception {
    var pool = Executors.newFixedThreadPool(6);
    var results = new ArrayList<Future<Long>>();
    for (int i = 1; i <= 24; i++) { final int seed = i; results.add(pool.submit(() -> zip(seed))); }
    long total = 0;
    for (var r : results) total += r.get();
    pool.shutdown();
    var map = IntStream.range(0, 100000).mapToObj(i -> new Row(i % 997, "t" + i)).collect(Collectors.groupingBy(Row::n, TreeMap::new, Collectors.counting()));
    System.out.println(total + " " + map.size() + " " + map.get(5));
  }
}
J
same javac sh -c "rm -rf '$work/classes/'*; javac -d '$work/classes' '$work/Work.java' && cat '$work'/classes/*.class | sha256sum"
same java java -Xmx200m -cp "$work/classes" Work

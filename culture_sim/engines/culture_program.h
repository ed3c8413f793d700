// Input and output of a compiled culture: raw arrays, one file each, in the directory the program is started in.
// Sizes are read from the files, so that one program serves any wiring, stimulus and number of presentations.
#ifndef CULTURE_PROGRAM_H
#define CULTURE_PROGRAM_H

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace culture_io {

inline void fail(const std::string& what)
{
    std::cerr << what << std::endl;
    std::exit(1);
}

template<class T> void read(const std::string& name, std::vector<T>& values)
{
    std::ifstream file("inputs/" + name, std::ios::binary | std::ios::ate);
    if (!file) fail("cannot open inputs/" + name);
    values.resize(file.tellg() / sizeof(T));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(T));
    if (!file) fail("cannot read inputs/" + name);
}

template<class T> void fill(T* values, size_t n, T value)
{
    for (size_t i = 0; i < n; i++) values[i] = value;
}

// Synapses sorted by source, from the row starts and columns of a compressed sparse matrix.
template<class T>
void read_synapses(const std::string& name, std::vector<int32_t>& pre, std::vector<int32_t>& post,
                   std::vector<T>& w, int32_t* n)
{
    std::vector<int32_t> row_start;
    read(name + ".indptr", row_start);
    read(name + ".indices", post);
    read(name + ".data", w);
    pre.resize(post.size());
    for (size_t i = 0; i + 1 < row_start.size(); i++)
        for (int32_t k = row_start[i]; k < row_start[i + 1]; k++) pre[k] = i;
    n[0] = post.size();
}

template<class T> void append(const std::string& name, const std::vector<T>& values)
{
    std::ofstream file("outputs/" + name, std::ios::binary | std::ios::app);
    file.write(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    file.close();
    if (!file) fail("cannot write outputs/" + name);
}

}
#endif

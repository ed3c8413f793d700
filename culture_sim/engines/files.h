// Raw arrays: one file each, read from inputs/ and written to outputs/ of the directory the program is started in.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

[[noreturn]] inline void fail(const std::string& message)
{
    std::cerr << message << std::endl;
    std::exit(1);
}

// An error of the system, with the file: a disk that is full, for instance.
[[noreturn]] inline void fail_at(const std::string& doing, const std::string& path)
{
    const std::string reason = std::strerror(errno);
    fail(doing + " " + std::filesystem::current_path().string() + "/" + path + ": " + reason);
}

template<class T> std::vector<T> read(const std::string& name)
{
    std::ifstream file("inputs/" + name, std::ios::binary | std::ios::ate);
    if (!file) fail("cannot open inputs/" + name);
    std::vector<T> values(file.tellg() / sizeof(T));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(T));
    if (!file) fail("cannot read inputs/" + name);
    return values;
}

// An input file, read in pieces.
template<class T> class Input
{
public:
    explicit Input(const std::string& name) : name(name), file("inputs/" + name, std::ios::binary)
    {
        if (!file) fail("cannot open inputs/" + name);
    }
    void read(T* values, std::size_t n)
    {
        file.read(reinterpret_cast<char*>(values), n * sizeof(T));
        if (!file) fail("cannot read inputs/" + name);
    }

private:
    std::string name;
    std::ifstream file;
};

// An output file, written through a buffer of bounded size.
template<class T> class Output
{
public:
    explicit Output(const std::string& name) : name(name), file(std::fopen(("outputs/" + name).c_str(), "ab"))
    {
        if (!file) fail_at("cannot open", "outputs/" + name);
    }
    ~Output()
    {
        flush();
        if (std::fclose(file)) fail_at("cannot write", "outputs/" + name);
    }
    void add(T value)
    {
        buffer.push_back(value);
        if (buffer.size() >= 1 << 16) flush();
    }
    void add(const std::vector<T>& values)
    {
        flush();
        write(values);
    }

private:
    void flush()
    {
        write(buffer);
        buffer.clear();
    }
    void write(const std::vector<T>& values)
    {
        if (values.empty()) return;
        if (std::fwrite(values.data(), sizeof(T), values.size(), file) != values.size())
            fail_at("cannot write", "outputs/" + name);
    }
    std::string name;
    std::FILE* file;
    std::vector<T> buffer;
};

template<class T> void save(const std::string& name, const std::vector<T>& values) { Output<T>(name).add(values); }

# ruff: noqa: RUF001  (letters that look like others are these languages' own)
"""The texts of duplicate-key errors in every language of lc_messages.

Taken from the message files of MySQL 9.7 and MariaDB 10.11 (errmsg.sys); `%s` stands for a name or a value. English
comes first: it is what nearly every server speaks.
"""

DUP_ENTRY = (
    "Duplicate entry '%s' for key '%s'",
    "Zvojený klíč '%s' (číslo klíče '%s')",
    "Ens værdier '%s' for indeks '%s'",
    "Dubbele ingang '%s' voor zoeksleutel '%s'",
    "Kattuv väärtus '%s' võtmele '%s'",
    "Duplicata du champ '%s' pour la clef '%s'",
    "Doppelter Eintrag '%s' für Schlüssel '%s'",
    "Διπλή εγγραφή '%s' για το κλειδί '%s'",
    "Duplikalt bejegyzes '%s' a '%s' kulcs szerint.",
    "Valore duplicato '%s' per la chiave '%s'",
    "'%s' は索引 '%s' で重複しています。",
    "중복된 입력 값 '%s': key '%s'",
    "Like verdier '%s' for nøkkel '%s'",
    "Like verdiar '%s' for nykkel '%s'",
    "Powtórzone wystąpienie '%s' dla klucza '%s'",
    "Entrada '%s' duplicada para a chave '%s'",
    "Cimpul '%s' e duplicat pentru cheia '%s'",
    "Дублирующаяся запись '%s' по ключу '%s'",
    "Dupliran unos '%s' za ključ '%s'",
    "Opakovaný kľúč '%s' (číslo kľúča '%s')",
    "Entrada duplicada '%s' para la clave '%s'",
    "Dublett '%s' för nyckel '%s'",
    "Дублюючий запис '%s' для ключа '%s'",
    "重复条目'%s'键'%s'",
    "დუბლირებული ჩანაწერი '%s' გასაღებისთვის '%s'",
    "Duplikalt bejegyzes '%s' a '%s' kulcs szerint",
)
"""ER_DUP_ENTRY (as the servers send it: with the text of ER_DUP_ENTRY_WITH_KEY_NAME): the entry, the key."""

AUTO_INCREMENT = (
    "ALTER TABLE causes auto_increment resequencing, resulting in duplicate entry '%s' for key '%s'",
    "ALTER TABLE führt zur Neusequenzierung von auto_increment, wodurch der doppelte Eintrag '%s' "
    "für Schlüssel '%s' auftritt",
    "ALTER TABLE表会导致AUTO_INCREMENT重建，导致重复的条目'%s'用于索引'%s'",
    "ALTER TABLE causa resecuenciado de auto_incremento resultando en entrada duplicada '%s' para la clave '%s'",
)
"""ER_DUP_ENTRY_AUTOINCREMENT_CASE, which ALTER TABLE sends as a 1062: the entry, the key."""

DUP_KEY = (
    "Can't write; duplicate key in table '%s'",
    "Nemohu zapsat, zdvojený klíč v tabulce '%s'",
    "Kan ikke skrive, flere ens nøgler i tabellen '%s'",
    "Kan niet schrijven, dubbele zoeksleutel in tabel '%s'",
    "Ei saa kirjutada, korduv võti tabelis '%s'",
    "Ecriture impossible, doublon dans une clé de la table '%s'",
    "Kann nicht speichern, Grund: doppelter Schlüssel in Tabelle '%s'",
    "Δεν είναι δυνατή η καταχώρηση, η τιμή υπάρχει ήδη στον πίνακα '%s'",
    "Irasi hiba, duplikalt kulcs a '%s' tablaban.",
    "Scrittura impossibile: chiave duplicata nella tabella '%s'",
    "書き込めません。表 '%s' に重複するキーがあります。",
    "기록할 수 없읍니다., 테이블 '%s'에서 중복 키",
    "Kan ikke skrive, flere like nøkler i tabellen '%s'",
    "Kan ikkje skrive, flere like nyklar i tabellen '%s'",
    "Nie można zapisać, powtórzone klucze w tabeli '%s'",
    "Não pode gravar. Chave duplicada na tabela '%s'",
    "Nu pot sa scriu (can't write), cheie duplicata in tabela '%s'",
    "Невозможно произвести запись, дублирующийся ключ в таблице '%s'",
    "Ne mogu da pišem pošto postoji duplirani ključ u tabeli '%s'",
    "Nemôžem zapísať, duplikát kľúča v tabuľke '%s'",
    "No puedo escribir, clave duplicada en la tabla '%s'",
    "Kan inte skriva, dubbel söknyckel i register '%s'",
    "Не можу записати, дублюючийся ключ в таблиці '%s'",
    "不能写;表'%s'中有重复索引",
    "ჩაწერის შეცდომა. დუბლირებული გასაღები ცხრილში '%s'",
    "टेबल '%s' में DUPLICATE KEY मौजूद होने के कारण नहीं लिख सके",
    "Irasi hiba, duplikalt kulcs a '%s' tablaban",
    "기록할 수 없습니다., 테이블 '%s'에서 중복 키",
)
"""ER_DUP_KEY: the table."""

FOREIGN_WITH_CHILD = (
    "Foreign key constraint for table '%s', record '%s' would lead to a duplicate entry in table '%s', key '%s'",
    "Fremdschlüssel-Beschränkung für Tabelle '%s', Datensatz '%s' würde zu einem doppelten Eintrag "
    "in Tabelle '%s', Schlüssel '%s' führen",
    "FOREIGN KEY constraint för tabell '%s', posten '%s' kan inte uppdatera barntabell '%s' på grund av nyckel '%s'",
    "表'%s'的外键约束，记录'%s'会导致表'%s'中的重复条目，键'%s'",
    "La restricción de clave foránea para tabla '%s', registro '%s' llevaría a una entrada "
    "duplicada en la tabla '%s', clave '%s'",
)
"""ER_FOREIGN_DUPLICATE_KEY_WITH_CHILD_INFO: the parent table, the entry, the table, the key."""

FOREIGN_WITHOUT_CHILD = (
    "Foreign key constraint for table '%s', record '%s' would lead to a duplicate entry in a child table",
    "Fremdschlüssel-Beschränkung für Tabelle '%s', Datensatz '%s' würde zu einem doppelten Eintrag "
    "in einer Kind-Tabelle führen",
    "FOREIGN KEY constraint för tabell '%s', posten '%s' kan inte uppdatera en barntabell på grund av UNIQUE-test",
    "表'%s'的外键约束，记录'%s'会导致子表中的重复条目",
    "La restricción de clave foránea para tabla '%s', registro '%s' llevaría a una entrada duplicada en una tabla hija",
)
"""ER_FOREIGN_DUPLICATE_KEY_WITHOUT_CHILD_INFO: the parent table, the entry."""

DUP_UNKNOWN = (
    "Duplicate entry for key '%s'",
    "Zdvojený klíč (číslo klíče '%s')",
    "Flere ens nøgler for indeks '%s'",
    "Dubbele ingang voor zoeksleutel '%s'",
    "Kattuv väärtus võtmele '%s'",
    "Duplicata du champ pour la clef '%s'",
    "Doppelter Eintrag für Schlüssel '%s'",
    "Διπλή εγγραφή για το κλειδί '%s'",
    "Duplikalt bejegyzes a '%s' kulcs szerint.",
    "Valore duplicato per la chiave '%s'",
    "は索引 '%s' で重複しています。",
    "중복된 입력 값: key '%s'",
    "Like verdier for nøkkel '%s'",
    "Like verdiar for nykkel '%s'",
    "Powtórzone wystąpienie dla klucza '%s'",
    "Entrada duplicada para a chave '%s'",
    "Cimpul e duplicat pentru cheia '%s'",
    "Дублирующаяся запись по ключу '%s'",
    "Dupliran unos za ključ '%s'",
    "Opakovaný kľúč (číslo kľúča '%s')",
    "Entrada duplicada para la clave '%s'",
    "Dublett för nyckel '%s'",
    "Дублюючий запис для ключа '%s'",
    "索引的重复条目'%s'",
    "დუბლირებული ჩანაწერი გასაღებისთვის '%s'",
    "Duplikalt bejegyzes a '%s' kulcs szerint",
)
"""ER_DUP_UNKNOWN_IN_INDEX: the key."""
